//! Exceptions, limits, and what the visitor and the record say of them.

use std::io::Write;

use crate::harness::{Edge, connect, read_head, wait_for};

fn example(edge: &Edge, name: &str) {
    edge.json(&["deploy", &format!("../../examples/{name}")]);
}

#[test]
fn an_exception_is_error_1101() {
    let edge = Edge::start();
    example(&edge, "throws");
    let answer = edge.get("throws", "/pipes");
    assert_eq!((answer.status, answer.text().trim()), (500, "error code: 1101"));
    let page = edge.visit("throws", "GET", "/", &[("Accept", "text/html,application/xhtml+xml")], b"");
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("1101") && page.text().contains("Worker threw exception"), "{}", page.text());
    let problem = edge.visit("throws", "GET", "/", &[("Accept", "application/problem+json")], b"");
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem.json()["status"], 500);
    for shown in [page.text(), problem.text()] {
        assert!(!shown.contains("inventory"), "the visitor must not see the exception: {shown}");
    }

    let record = edge.fact("/workers/invocations?worker=throws", |record| {
        record["event"]["request"]["url"].as_str().is_some_and(|url| url.ends_with("/pipes"))
    });
    assert_eq!(record["outcome"], "exception");
    assert_eq!(record["logs"][0]["message"][0], "about to look up");
    let exception = &record["exceptions"][0];
    assert_eq!(exception["name"], "TypeError");
    assert!(exception["stack"].as_str().unwrap().contains("index.js:4"), "{exception}");
}

#[test]
fn an_endless_loop_is_error_1102() {
    let edge = Edge::start();
    example(&edge, "spins");
    let answer = edge.get("spins", "/");
    assert_eq!((answer.status, answer.text().trim()), (503, "error code: 1102"));
    let record = edge.fact("/workers/invocations?worker=spins", |_| true);
    assert_eq!(record["outcome"], "exceededCpu");
    assert_eq!(record["exceptions"][0]["message"], "Worker exceeded CPU time limit.");
    let cpu = record["cpuTime"].as_f64().unwrap();
    assert!((200.0..2_000.0).contains(&cpu), "{cpu} ms of CPU time for a limit of 200 ms");
    let lines = record["logs"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "what stands in `finally` must not run: {lines:?}");
    // The next request gets a fresh isolate.
    assert_eq!(edge.get("spins", "/").status, 503);
}

#[test]
fn too_much_memory_is_error_1102() {
    let edge = Edge::start();
    edge.deploy_module(
        "hog",
        "export default { fetch() { const all = []; for (;;) all.push(new Array(100000).fill(all.length)); } };",
    );
    let answer = edge.get("hog", "/");
    assert_eq!((answer.status, answer.text().trim()), (503, "error code: 1102"));
    let record = edge.fact("/workers/invocations?worker=hog", |_| true);
    assert_eq!(record["outcome"], "exceededMemory");
    assert_eq!(record["exceptions"][0]["message"], "Worker exceeded memory limit.");
}

#[test]
fn a_worker_that_can_never_answer_is_told_so_at_once() {
    let edge = Edge::start();
    edge.deploy_module("hung", "export default { fetch: () => new Promise(() => {}) };");
    let answer = edge.get("hung", "/");
    assert_eq!((answer.status, answer.text().trim()), (500, "error code: 1101"));
    let record = edge.fact("/workers/invocations?worker=hung", |_| true);
    assert!(
        record["exceptions"][0]["message"].as_str().unwrap().contains("would never generate a response"),
        "{record}"
    );
}

#[test]
fn waiting_costs_no_cpu_time() {
    let edge = Edge::start();
    edge.deploy_module(
        "waits",
        "export default { async fetch() { await new Promise((done) => setTimeout(done, 300)); return new Response('waited'); } };",
    );
    assert_eq!(edge.get("waits", "/").text(), "waited");
    let record = edge.fact("/workers/invocations?worker=waits", |_| true);
    assert!(record["wallTime"].as_f64().unwrap() >= 300.0, "{record}");
    assert!(record["cpuTime"].as_f64().unwrap() < 100.0, "{record}");
}

#[test]
fn workers_that_call_one_another_for_ever_are_error_1019() {
    let edge = Edge::start();
    edge.deploy_module("round", "export default { fetch: () => new Response('not yet') };");
    let configuration = r#"{"main": "index.js", "compatibility_date": "2026-11-01", "services": [{"binding": "NEXT", "service": "round"}]}"#;
    let module = "export default { fetch: (request, env) => env.NEXT.fetch(request) };";
    edge.deploy("round", &[("index.js", module)], configuration, &[]);
    let answer = edge.get("round", "/");
    assert_eq!((answer.status, answer.text().trim()), (508, "error code: 1019"));
    let record = edge.fact("/workers/invocations?worker=round", |record| record["subrequests"][0]["status"] == 508);
    assert_eq!(record["outcome"], "ok");
}

#[test]
fn without_memory_for_a_further_isolate_visitors_are_told_to_come_back() {
    let edge = Edge::start_with(&["--isolates-memory-mib", "64"]);
    // It has an answer on its way, and so cannot be ended.
    edge.deploy_module(
        "large",
        "const keep = new Uint8Array(80 << 20).fill(1);
         export default { fetch() {
           const { readable, writable } = new TransformStream();
           const writer = writable.getWriter();
           const go = async () => { for (;;) { await writer.write(keep.slice(0, 1)); await scheduler.wait(10); } };
           go();
           return new Response(readable);
         } };",
    );
    edge.deploy_module("small", "export default { fetch: () => new Response('small') };");
    let mut stream = connect(edge.addresses.http);
    write!(stream, "GET / HTTP/1.1\r\nHost: large.localhost\r\n\r\n").unwrap();
    assert_eq!(read_head(&mut std::io::BufReader::new(stream.try_clone().unwrap())).status, 200);
    let answer = wait_for("a refusal", || Some(edge.get("small", "/")).filter(|answer| answer.status != 200));
    assert_eq!((answer.status, answer.text().trim()), (503, "error code: 1105"));
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    edge.fact("/workers/invocations?worker=small", |record| record["outcome"] == "loadShed");
    drop(stream);
    wait_for("room", || (edge.get("small", "/").status == 200).then_some(()));
}
