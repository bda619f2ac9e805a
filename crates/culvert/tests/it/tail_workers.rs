//! Workers that get the records of others, in the program as it runs.

use serde_json::json;

use crate::harness::Edge;

#[test]
fn a_tail_worker_gets_the_records_of_its_producers() {
    let edge = Edge::start();
    edge.deploy_module(
        "watcher",
        r#"export default { async tail(events) {
             for (const { scriptName, outcome, logs, exceptions, event } of events) {
               console.log(scriptName, outcome, logs.map(({ message }) => message), exceptions.map(({ message }) => message), event.response?.status ?? null);
             } } };"#,
    );
    let configuration =
        json!({"main": "index.js", "compatibility_date": "2026-11-01", "tail_consumers": [{"service": "watcher"}]});
    let module = r#"export default { fetch(request) {
        console.log("visited", new URL(request.url).pathname);
        if (request.url.endsWith("/throw")) throw new Error("thrown");
        return new Response("x", { status: 203 }); } };"#;
    edge.deploy("producer", &[("index.js", module)], &configuration.to_string(), &[]);
    assert_eq!(edge.get("producer", "/ok").status, 203);
    assert_eq!(edge.get("producer", "/throw").status, 500);
    for expected in [
        json!(["producer", "ok", [["visited", "/ok"]], [], 203]),
        json!(["producer", "exception", [["visited", "/throw"]], ["thrown"], null]),
    ] {
        let record =
            edge.fact("/workers/invocations?worker=watcher", |record| record["logs"][0]["message"] == expected);
        assert_eq!(record["eventType"], "tail");
        assert_eq!(record["event"], json!({"consumedEvents": [{"scriptName": "producer"}]}));
    }
}
