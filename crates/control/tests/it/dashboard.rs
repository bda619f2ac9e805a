//! What only the dashboard asks: who binds what, what errors mean, where the edge is.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Form, Server};

const SERVICES: &str = "/connectivity/directory/services";

#[tokio::test]
async fn references_are_the_bindings_of_deployed_versions() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let service = server.service("api", &tunnel).await;
    let of_service = format!("{SERVICES}/{service}/references");
    let of_tunnel = format!("/cfd_tunnel/{tunnel}/references");
    assert_eq!(server.get(&of_service).await.result(), json!([]));

    let bindings = json!([
        { "name": "API", "type": "vpc_service", "service_id": service },
        { "name": "NET", "type": "vpc_network", "tunnel_id": tunnel },
    ]);
    server.deploy("w", json!({ "bindings": bindings })).await.result();
    let version =
        server.get("/workers/scripts/w/deployments").await.result()["deployments"][0]["versions"][0]["version_id"]
            .clone();
    let row = |binding: &str| json!([{ "worker": "w", "binding": binding, "version_id": version, "percentage": 100 }]);
    assert_eq!(server.get(&of_service).await.result(), row("API"));
    assert_eq!(server.get(&of_tunnel).await.result(), row("NET"));

    // A version that nobody deployed binds nothing; nor does one that is no longer deployed.
    let undeployed = Form::worker(json!({ "bindings": bindings }));
    server.upload(Method::POST, "/workers/scripts/w/versions?bindings_inherit=strict", &undeployed).await.result();
    assert_eq!(server.get(&of_service).await.result(), row("API"));
    server.deploy("w", json!({})).await.result();
    assert_eq!(server.get(&of_service).await.result(), json!([]));
    assert_eq!(server.get(&of_tunnel).await.result(), json!([]));

    let nobody = "00000000-0000-4000-8000-000000000000";
    server.get(&format!("{SERVICES}/{nobody}/references")).await.error(404, 20001);
    server.get(&format!("{SERVICES}/x/references")).await.error(404, 7003);
}

#[tokio::test]
async fn the_reference_of_errors_is_the_table() {
    let server = Server::start().await;
    let token = server.token_with("reader", &[store::Permission::AccountSettingsRead]).await;
    let bearer = format!("Bearer {token}");
    let answer = server.send(Method::GET, "/connection-errors", &[("authorization", &bearer)], "").await;
    let rows = answer.result();
    assert_eq!(rows.as_array().unwrap().len(), 23);
    let refused = rows.as_array().unwrap().iter().find(|row| row["code"] == "connection_refused").unwrap();
    assert_eq!((&refused["category"], &refused["phases"]), (&json!("Bad Upstream"), &json!(["connect"])));
    assert!(refused["fix"].as_str().is_some_and(|fix| fix.ends_with('.')));
    assert!(refused["status"].is_u64());
    server.send(Method::GET, "/connection-errors", &[], "").await.error(401, 9106);
}

#[tokio::test]
async fn an_edge_that_listens_everywhere_is_told_by_the_name_that_the_caller_knows() {
    let server = Server::start().await;
    let edge = server.get("/edge").await.result();
    assert_eq!(edge["visitors"], "http://127.0.0.1:8787");
    assert_eq!(edge["api"], format!("http://{}", server.address));
    assert_eq!(edge["tunnel"], "127.0.0.1:7844");
    assert!(edge["tunnel_ca"].as_str().is_some_and(|pem| pem.starts_with("-----BEGIN")));
    let bearer = format!("Bearer {}", server.token);
    let with = [("authorization", bearer.as_str()), ("host", "edge.example.com:9000"), ("x-forwarded-proto", "https")];
    let named = server.send(Method::GET, "/accounts/local/edge", &with, "").await.result();
    assert_eq!(
        (&named["tunnel"], &named["api"]),
        (&json!("edge.example.com:7844"), &json!("https://edge.example.com:9000"))
    );
}

#[tokio::test]
async fn routes_are_read_as_they_were_set() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let routes = "/workers/scripts/w/routes";
    assert_eq!(server.get(routes).await.result(), json!([]));
    let set = server.call(Method::PUT, routes, json!([{ "pattern": "App.example.test/*" }])).await.result();
    let read = server.get(routes).await.result();
    assert_eq!((&read, &read[0]["pattern"], &read[0]["zone_name"]), (&set, &json!("app.example.test/*"), &Value::Null));
    server.get("/workers/scripts/nobody/routes").await.error(404, 10007);
}

#[tokio::test]
async fn every_form_that_the_document_refers_to_is_in_it() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            _ => {}
        }
    }
    let server = Server::start().await;
    let document = server.send_to(Method::GET, "/client/v4/openapi.json", &[], "").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}
