//! `culvert diagnose`: what a connection finds now, phase by phase and through every connector.

use std::fs;

use crate::failures::{closed_port, dnsmasq, openssl_server};
use crate::harness::{Edge, http_service, wait_for};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_answer_by_name_and_over_tls_is_told_with_its_facts() {
    let edge = Edge::start();
    let Some((_dnsmasq, port)) = dnsmasq(edge.directory.path()) else { return };
    let Some((_server, https)) = openssl_server(edge.directory.path()) else { return };
    let tunnel = edge.tunnel(&["--dns-resolver", &format!("127.0.0.1:{port}")]);
    let by_name = ["--hostname", "inventory.private", "--cert-verification-mode", "disabled"];
    let service = edge.service(&tunnel.id, "https", https, &by_name);
    let found = edge.json(&["diagnose", &service]);
    assert_eq!(found["ok"], true, "{found:#}");
    let phases = found["phases"].as_array().unwrap();
    let names: Vec<&str> = phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect();
    assert_eq!(names, ["route", "dns", "connect", "tls", "request", "head", "body"]);
    assert!(phases.iter().all(|phase| phase["state"] == "ok" && phase["duration"].is_number()), "{found:#}");
    assert_eq!(phases[0]["facts"]["tunnel"], "private");
    assert_eq!(phases[0]["facts"]["protocol"], "quic");
    assert_eq!(phases[1]["facts"]["addresses"][0], "127.0.0.1");
    assert_eq!(phases[2]["facts"]["address"], format!("127.0.0.1:{https}"));
    assert_eq!(phases[3]["facts"]["version"], "TLSv1.3");
    assert_eq!(phases[3]["facts"]["chain"][0]["subject"], "CN=inventory.internal");
    assert_eq!(phases[5]["facts"]["status"], 200);
    assert_eq!(found["connectors"].as_array().unwrap().len(), 1);
    assert_eq!(found["connectors"][0]["ok"], true);
    // Nobody's request: no event, and nothing for the metrics.
    assert_eq!(edge.api("/connectivity/events").as_array().unwrap().len(), 0);

    // The same for people, by the service's name.
    let printed = edge.run(&["diagnose", "inventory-0"]);
    assert!(printed.status.success());
    let printed = text(&printed.stdout);
    for said in ["inventory.private is 127.0.0.1", "certificate: CN=inventory.internal", "200 OK", "It answers, after"]
    {
        assert!(printed.contains(said), "{said}: {printed}");
    }

    // Checked in full, the certificate is not accepted, and is shown all the same.
    let strict = edge.service(&tunnel.id, "https", https, &["--hostname", "inventory.private"]);
    let refused = edge.run(&["diagnose", &strict]);
    assert_eq!(refused.status.code(), Some(1));
    let printed = text(&refused.stdout);
    for said in [
        "tls_certificate_error (Bad Upstream) in the phase tls",
        "What to do: ",
        "certificate: CN=inventory.internal",
        "version: TLSv1.3",
    ] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
    assert!(text(&refused.stderr).contains("culvert explain tls_certificate_error"));
}

#[test]
fn each_connector_is_tried_and_told_apart() {
    let edge = Edge::start();
    let port = http_service(|_, _, _| "here".to_owned());
    let tunnel = edge.tunnel(&[]);
    let service = edge.service(&tunnel.id, "http", port, &[]);
    let id_of = |connections: usize, known: Option<&str>| {
        edge.wait_for_connections(&tunnel.id, connections);
        let listed = edge.api(&format!("/cfd_tunnel/{}/connections", tunnel.id));
        let mut ids = listed.as_array().unwrap().iter().map(|connector| connector["id"].as_str().unwrap().to_owned());
        ids.rfind(|id| Some(id.as_str()) != known).unwrap()
    };
    let free = id_of(4, None);
    // A second one that may not connect to where the service is.
    let token = edge.json(&["tunnel", "token", &tunnel.id])["token"].as_str().unwrap().to_owned();
    let log = fs::File::create(edge.directory.path().join("second.log")).unwrap();
    let child = crate::harness::culvert()
        .args(["connect", "--edge", &edge.addresses.tunnel.to_string(), "--allow", "10.0.0.0/8", "--ca"])
        .arg(edge.data().join("tunnel-ca.pem"))
        .env("TUNNEL_TOKEN", token)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let _second = crate::harness::Process(child);
    let confined = id_of(8, Some(&free));

    let through = |connector: &str| edge.run(&["diagnose", &service, "--connector", connector, "--json"]);
    let good = through(&free);
    assert!(good.status.success(), "{}", text(&good.stderr));
    let found: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    let seen = |id: &str| found["connectors"].as_array().unwrap().iter().find(|each| each["connector"] == id).unwrap();
    assert_eq!(seen(&free)["ok"], true);
    assert_eq!(seen(&confined)["error"]["code"], "destination_ip_prohibited", "{found:#}");
    let bad = through(&confined);
    assert_eq!(bad.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!(found["phases"][0]["facts"]["connector"], confined);
    assert!(found["error"]["fix"].is_string());
    let nobody = through(&uuid_of_nobody());
    assert!(text(&nobody.stderr).contains("has no connector"), "{}", text(&nobody.stderr));
}

fn uuid_of_nobody() -> String {
    "00000000-0000-4000-8000-000000000000".to_owned()
}

#[test]
fn what_is_not_there_is_told() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let service = edge.service(&tunnel.id, "http", closed_port(), &[]);
    let found = edge.run(&["diagnose", &service, "--json"]);
    assert_eq!(found.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["error"]["code"], "connection_refused");
    tunnel.connector.signal("-TERM");
    edge.wait_for_connections(&tunnel.id, 0);
    let found = wait_for("no connector", || {
        let found = edge.run(&["diagnose", &service, "--json"]);
        serde_json::from_slice::<serde_json::Value>(&found.stdout).ok()
    });
    assert_eq!(found["error"]["code"], "destination_unavailable", "{found:#}");
    assert_eq!(found["phases"][0]["state"], "failed");
    assert_eq!(found["connectors"], serde_json::json!([]));
    let unknown = edge.run(&["diagnose", "nothing"]);
    assert!(text(&unknown.stderr).contains("no VPC Service named `nothing`"));
}
