//! What was acknowledged is there after `kill -9`.

use crate::harness::{Edge, http_service};

#[test]
fn everything_is_there_after_a_crash_and_the_connector_comes_back() {
    let mut edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "still here".to_owned());
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    assert_eq!(edge.get("private-api", "/").text(), "still here");

    edge.crash_and_restart();
    edge.wait_for_connections(&tunnel.id, 4);
    assert_eq!(edge.get("private-api", "/").text(), "still here");
    let services = edge.json(&["vpc", "service", "list"]);
    assert_eq!(services[0]["service_id"], service.as_str());
}

#[test]
fn an_acknowledged_write_survives_a_crash_right_after() {
    let mut edge = Edge::start();
    for round in 0..5 {
        edge.deploy_module("crashes", &format!("export default {{ fetch: () => new Response('{round}') }};"));
        edge.crash_and_restart();
        assert_eq!(edge.get("crashes", "/").text(), round.to_string());
    }
}
