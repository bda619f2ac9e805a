//! Several edges on one PostgreSQL database.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{Edge, http_service, postgres, wait_for};

/// Two edges on a new database. Nothing where PostgreSQL is not installed.
pub fn edges() -> Option<(Edge, Edge)> {
    let url = postgres()?;
    let first = Edge::start_with(&["--database", &url]);
    let key = first.data().join("store.key");
    let second = Edge::start_with(&["--database", &url, "--secrets-key-file", key.to_str().unwrap()]);
    // The administrator's token is made once; whoever has it may use it anywhere.
    assert!(!second.data().join("admin-token").exists());
    fs::copy(first.data().join("admin-token"), second.data().join("admin-token")).unwrap();
    Some((first, second))
}

#[test]
fn what_is_changed_on_one_edge_is_served_by_all() {
    let Some((first, second)) = edges() else {
        return;
    };
    let mut times = Vec::new();
    for round in 0..5 {
        first.deploy_module("shop", &format!("export default {{ fetch: () => new Response('{round}') }};"));
        // From the API's answer on.
        let start = Instant::now();
        wait_for("the other edge", || {
            let answer = second.get("shop", "/");
            (answer.status == 200 && answer.text() == round.to_string()).then_some(())
        });
        times.push(start.elapsed());
        assert_eq!(first.get("shop", "/").text(), round.to_string());
    }
    // Within a second. A single one may be late on a machine that does much else; half of them are not.
    times.sort();
    println!("served by the other edge after {times:?}");
    assert!(times[times.len() / 2] < Duration::from_secs(1), "{times:?}");
    // A network behind the second edge, registered at the first one.
    let tunnel = first.json(&["tunnel", "create", "warehouse"])["id"].as_str().unwrap().to_owned();
    wait_for("the tunnel", || second.run(&["tunnel", "token", &tunnel]).status.success().then_some(()));
    let _connector = second.connect(&tunnel, &[]);
    let port = http_service(|_, _, _| "from the warehouse".to_owned());
    let service = first.service(&tunnel, "http", port, &[]);
    first.deploy_private_api("private-api", &service);
    wait_for("the service", || (second.get("private-api", "/").status == 200).then_some(()));
    assert_eq!(second.get("private-api", "/").text(), "from the warehouse");
    // Deleted at the first, cut at the second.
    let force = format!("/cfd_tunnel/{tunnel}?force=true");
    first.call_api("DELETE", &force);
    wait_for("the end of the connections", || {
        second.api(&format!("/cfd_tunnel/{tunnel}"))["connections"].as_array()?.is_empty().then_some(())
    });
    first.json(&["vpc", "service", "list"]);
    first.call_api("DELETE", "/workers/services/shop?force=true");
    wait_for("the deletion", || (second.get("shop", "/").status == 404).then_some(()));
}

#[test]
fn an_edge_goes_on_after_a_crash_with_what_others_changed() {
    let Some((mut first, second)) = edges() else {
        return;
    };
    first.deploy_module("shop", "export default { fetch: () => new Response('first') };");
    first.crash_and_restart();
    assert_eq!(first.get("shop", "/").text(), "first");
    second.deploy_module("shop", "export default { fetch: () => new Response('second') };");
    first.crash_and_restart();
    assert_eq!(first.get("shop", "/").text(), "second");
}
