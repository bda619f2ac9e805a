//! Two edges on one PostgreSQL database: what happened at one is found at the other.

use crate::harness::{Edge, wait_for};
use crate::shared_database::edges;

#[test]
fn records_and_metrics_are_found_at_every_edge() {
    let Some((one, other)) = edges() else { return };
    one.deploy_module(
        "hello",
        "export default { fetch() { console.log('found at every edge'); return new Response('hi'); } };",
    );
    wait_for("the other edge's Worker", || (other.get("hello", "/").status == 200).then_some(()));
    assert_eq!(one.get("hello", "/").status, 200);
    let total = |edge: &Edge| edge.api("/workers/metrics")["groups"][0]["count"].as_u64();
    let records = |edge: &Edge| {
        let found = edge.api("/workers/invocations?worker=hello&text=at%20every%20edge");
        found.as_array().map_or(0, Vec::len) as u64
    };
    let all = wait_for("the counts", || {
        let counts = [total(&one)?, total(&other)?, records(&one), records(&other)];
        (counts[0] >= 2 && counts.iter().all(|count| *count == counts[0])).then_some(counts[0])
    });
    assert!(all >= 2);
    // Neither edge keeps a file of its own.
    for edge in [&one, &other] {
        assert!(!edge.data().join("telemetry.db").exists());
    }
}
