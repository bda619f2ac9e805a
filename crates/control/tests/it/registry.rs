//! VPC Services, tunnels and telemetry over the API.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::{LogsAbout, TunnelConnection};
use http::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::harness::Server;

const SERVICES: &str = "/connectivity/directory/services";

fn spec(name: &str, tunnel: &str) -> Value {
    json!({ "name": name, "type": "http",
            "host": { "ipv4": "10.0.0.5", "network": { "tunnel_id": tunnel } } })
}

#[tokio::test]
async fn services_are_created_read_replaced_and_deleted() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let mut wanted = spec("api", &tunnel);
    wanted["http_port"] = 8080.into();
    wanted["tls_settings"] = json!({ "cert_verification_mode": "verify_ca" });
    let made = server.call(Method::POST, SERVICES, wanted.clone()).await.result();
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(made[name], *value);
    }
    assert!(made.get("https_port").is_none());
    let id = made["service_id"].as_str().unwrap().to_owned();
    let one = format!("{SERVICES}/{id}");
    assert_eq!(server.get(&one).await.result(), made);

    // The whole is replaced: TLS options that are not given are gone.
    let replaced = server.call(Method::PUT, &one, spec("api", &tunnel)).await.result();
    assert!(replaced.get("tls_settings").is_none());
    // Default ports are not said: what was not given does not come back.
    assert!(replaced.get("http_port").is_none() && replaced.get("https_port").is_none());
    assert_eq!(replaced["created_at"], made["created_at"]);
    assert!(replaced["updated_at"].as_str() > made["updated_at"].as_str());

    let pg = json!({ "name": "pg", "type": "tcp", "tcp_port": 5432, "app_protocol": "postgresql",
        "host": { "hostname": "db.internal", "resolver_network": { "tunnel_id": tunnel, "resolver_ips": ["10.0.0.2"] } } });
    server.call(Method::POST, SERVICES, pg).await.result();
    let listed = server.get(&format!("{SERVICES}?page=1")).await;
    assert_eq!(listed.result().as_array().unwrap().len(), 2);
    assert_eq!(listed.json()["result_info"]["total_count"], 2);
    assert_eq!(server.get(&format!("{SERVICES}?type=tcp")).await.result()[0]["name"], "pg");
    assert_eq!(server.get(&format!("{SERVICES}?page=2&per_page=1")).await.result()[0]["name"], "pg");
    assert_eq!(server.get(&format!("{SERVICES}?page=3&per_page=1")).await.result(), json!([]));
    for query in ["type=udp", "page=0", "per_page=1001", "per_page=x"] {
        server.get(&format!("{SERVICES}?{query}")).await.error(400, 20000);
    }
    assert_eq!(server.call(Method::DELETE, &one, Value::Null).await.result(), Value::Null);
    for method in [Method::GET, Method::DELETE] {
        server.call(method, &one, Value::Null).await.error(404, 20001);
    }
    server.call(Method::PUT, &one, spec("x", &tunnel)).await.error(404, 20001);
    server.get(&format!("{SERVICES}/x")).await.error(404, 7003);
}

#[tokio::test]
async fn a_service_is_diagnosed() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let id = server.service("api", &tunnel).await;
    let path = format!("{SERVICES}/{id}/diagnose");
    let found = server.call(Method::POST, &path, json!({ "host": "shop.internal", "path": "/x" })).await.result();
    assert_eq!(found, json!({ "service_id": id, "request": { "host": "shop.internal", "path": "/x" } }));
    // Everything has a default, the body as well.
    server.call(Method::POST, &path, Value::Null).await.result();
    let bare = server.send(Method::POST, &format!("/accounts/local{path}"), &[], "").await;
    bare.error(401, 9106);
    let wrong = server.call(Method::POST, &path, json!({ "scheme": "ftp" })).await;
    wrong.error(400, 20000);
    assert_eq!(wrong.pointer(), "/scheme");
    let nobody = server.call(Method::POST, &path, json!({ "connector": Uuid::new_v4() })).await;
    nobody.error(400, 20000);
    assert_eq!(nobody.pointer(), "/connector");
    let unknown = format!("{SERVICES}/{}/diagnose", Uuid::new_v4());
    server.call(Method::POST, &unknown, json!({})).await.error(404, 20001);
}

#[tokio::test]
async fn a_wrong_service_is_refused_with_a_pointer() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    server.service("taken", &tunnel).await;
    let other = Uuid::new_v4();
    for (change, pointer) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "type": "udp" }), "/type"),
        (json!({ "http_port": 0 }), "/http_port"),
        (json!({ "tcp_port": 5432 }), "/tcp_port"),
        (json!({ "host": {} }), "/host"),
        (json!({ "host": { "ipv4": "10.0.0.256", "network": { "tunnel_id": tunnel } } }), "/host/ipv4"),
        (json!({ "host": { "ipv4": "10.0.0.5", "network": { "tunnel_id": other } } }), "/host/network/tunnel_id"),
        (
            json!({ "host": { "hostname": "a.b", "resolver_network": { "tunnel_id": other } } }),
            "/host/resolver_network/tunnel_id",
        ),
        (json!({ "tls_settings": { "certificate_authority": other } }), "/tls_settings/certificate_authority"),
        (json!({ "tls_settings": { "client_certificate": other } }), "/tls_settings/client_certificate"),
    ] {
        let mut body = spec("api", &tunnel);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = server.call(Method::POST, SERVICES, body).await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), pointer);
    }
    let several = server.call(Method::POST, SERVICES, json!({ "name": "", "type": "x", "host": 5 })).await;
    assert_eq!(several.json()["errors"].as_array().unwrap().len(), 3);
    let message = server.call(Method::POST, SERVICES, spec("taken", &tunnel)).await.error(409, 20002);
    assert!(message.contains("\"taken\""), "{message}");
    let auth = format!("Bearer {}", server.token);
    let path = format!("/accounts/local{SERVICES}");
    for body in ["", "{", "nul"] {
        server.send(Method::POST, &path, &[("authorization", &auth)], body).await.error(400, 6007);
    }
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    server.send(Method::POST, &path, &[("authorization", &auth)], large).await.error(413, 20005);
    assert_eq!(server.get(SERVICES).await.result().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bound_service_is_deleted_by_force_only() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let service = server.service("api", &tunnel).await;
    server
        .deploy("w", json!({ "bindings": [{ "name": "A", "type": "vpc_service", "service_id": service }] }))
        .await
        .result();
    let path = format!("{SERVICES}/{service}");
    let message = server.call(Method::DELETE, &path, Value::Null).await.error(409, 20003);
    assert!(message.contains("Worker \"w\""), "{message}");
    let tunnel_path = format!("/cfd_tunnel/{tunnel}");
    let message = server.call(Method::DELETE, &tunnel_path, Value::Null).await.error(409, 20003);
    assert!(message.contains("VPC Service \"api\""), "{message}");
    server.call(Method::DELETE, &format!("{path}?force=true"), Value::Null).await.result();
    // The old binding is still in the version, so that the next upload says that it is gone.
    let metadata = json!({ "bindings": [{ "name": "A", "type": "inherit" }] });
    server.deploy("w", metadata).await.error(400, 10021);
}

#[tokio::test]
async fn tunnels_are_created_listed_and_deleted() {
    let server = Server::start().await;
    let made =
        server.call(Method::POST, "/cfd_tunnel", json!({ "name": "t1", "config_src": "cloudflare" })).await.result();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(made["status"], "inactive");
    assert_eq!(made["tun_type"], "cfd_tunnel");
    assert_eq!(made["config_src"], "cloudflare");
    let message = server.call(Method::POST, "/cfd_tunnel", json!({ "name": "t1" })).await.error(409, 1013);
    assert!(message.contains("\"t1\""), "{message}");

    // Clients read pages until one is empty.
    assert_eq!(server.get("/cfd_tunnel").await.result().as_array().unwrap().len(), 1);
    assert_eq!(server.get("/cfd_tunnel?page=2").await.result(), json!([]));
    assert_eq!(server.get("/cfd_tunnel?name=t1&is_deleted=false").await.result()[0]["id"], id);
    assert_eq!(server.get("/cfd_tunnel?name=t1&is_deleted=false&page=2").await.result(), json!([]));
    assert_eq!(server.get("/cfd_tunnel?name=x").await.result(), json!([]));
    assert_eq!(server.get("/cfd_tunnel?status=healthy").await.result(), json!([]));

    let token = server.get(&format!("/cfd_tunnel/{id}/token")).await.result();
    assert_eq!(token, made["token"]);
    let token: Value = serde_json::from_slice(&STANDARD.decode(token.as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(token["a"], server.store.account().id.as_str());
    assert_eq!(token["a"].as_str().unwrap().len(), 32);
    assert_eq!(token["t"], id);
    let secret = STANDARD.decode(token["s"].as_str().unwrap()).unwrap();
    let kept = server.store.tunnel_secret(id.parse().unwrap()).await.unwrap();
    assert_eq!(kept.expose(), secret);

    let path = format!("/cfd_tunnel/{id}");
    server.call(Method::DELETE, &path, Value::Null).await.result();
    assert!(server.get(&path).await.result()["deleted_at"].is_string());
    assert_eq!(server.get("/cfd_tunnel?is_deleted=false").await.result(), json!([]));
    server.call(Method::DELETE, &path, Value::Null).await.error(404, 1003);
    server.get(&format!("{path}/token")).await.error(404, 1003);
    server.get("/cfd_tunnel/x").await.error(404, 7003);
    server.get(&format!("/cfd_tunnel/{}", Uuid::new_v4())).await.error(404, 1003);
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "x", "config_src": "dash" }), "/config_src"),
        (json!({ "name": "x", "tunnel_secret": "%" }), "/tunnel_secret"),
        (json!({ "name": "x", "tunnel_secret": "YWJj" }), "/tunnel_secret"),
    ] {
        let answer = server.call(Method::POST, "/cfd_tunnel", body).await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), pointer);
    }
}

#[tokio::test]
async fn a_tunnels_secret_is_given_and_rotated() {
    let server = Server::start().await;
    let given = STANDARD.encode([7; 32]);
    let made = server.call(Method::POST, "/cfd_tunnel", json!({ "name": "t", "tunnel_secret": given })).await.result();
    let id: Uuid = made["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(server.store.tunnel_secret(id).await.unwrap().expose(), [7; 32]);
    let path = format!("/cfd_tunnel/{id}");
    server.call(Method::PATCH, &path, json!({ "name": "renamed" })).await.result();
    server.call(Method::PATCH, &path, json!({ "tunnel_secret": STANDARD.encode([8; 32]) })).await.result();
    assert_eq!(server.store.tunnel_secret(id).await.unwrap().expose(), [8; 32]);
    assert_eq!(server.get(&path).await.result()["name"], "renamed");
}

#[tokio::test]
async fn a_tunnel_shows_its_connections() {
    let server = Server::start().await;
    let id: Uuid = server.tunnel("t").await.parse().unwrap();
    let client = Uuid::new_v4();
    let connection = |pending| TunnelConnection {
        id: Uuid::new_v4(),
        client_id: client,
        client_version: "2025.7.0".to_owned(),
        arch: "linux_amd64".to_owned(),
        location: "local01".to_owned(),
        origin_ip: Ipv4Addr::LOCALHOST.into(),
        opened_at: OffsetDateTime::UNIX_EPOCH,
        features: vec!["ha-origin".to_owned()],
        is_pending_reconnect: pending,
    };
    for (live, pending, status) in [(1, 0, "degraded"), (4, 0, "healthy"), (3, 1, "degraded"), (0, 4, "inactive")] {
        let connections = (0..live).map(|_| connection(false)).chain((0..pending).map(|_| connection(true))).collect();
        server.platform.connections.lock().unwrap().insert(id, connections);
        let shown = server.get(&format!("/cfd_tunnel/{id}")).await.result();
        assert_eq!(shown["status"], status);
        assert_eq!(shown["connections"].as_array().unwrap().len(), live + pending);
        assert_eq!(shown["conns_active_at"].is_string(), live > 0);
    }
    let clients = server.get(&format!("/cfd_tunnel/{id}/connections")).await.result();
    assert_eq!(clients.as_array().unwrap().len(), 1);
    assert_eq!(clients[0]["version"], "2025.7.0");
    assert_eq!(clients[0]["conns"].as_array().unwrap().len(), 4);
    server.call(Method::DELETE, &format!("/cfd_tunnel/{id}/connections"), Value::Null).await.result();
    assert_eq!(*server.platform.cut.lock().unwrap(), [id]);
}

#[tokio::test]
async fn workers_logs_are_asked_as_those_of_cloudflare() {
    let server = Server::start().await;
    let ask = async |what: &str, body: Value| {
        server.call(Method::POST, &format!("/workers/observability/telemetry/{what}"), body).await
    };
    let parameters =
        json!({ "filters": [{ "key": "$metadata.service", "operation": "eq", "type": "string", "value": "w" }] });
    let timeframe = json!({ "from": 0, "to": 5 });
    let query = json!({ "queryId": "mine", "timeframe": timeframe, "parameters": parameters, "dry": true });
    let answer = ask("query", query.clone()).await;
    let result = answer.result();
    assert_eq!(result["events"], json!({ "events": [true], "count": 1 }));
    let run = &result["run"];
    assert_eq!((&run["timeframe"], &run["query"]["parameters"], &run["dry"]), (&timeframe, &parameters, &json!(true)));
    assert_eq!(
        (&run["status"], &run["accountId"], &run["query"]["id"]),
        (&json!("COMPLETED"), &json!("local"), &json!("mine"))
    );
    assert_eq!((&result["statistics"]["rows_read"], &result["statistics"]["bytes_read"]), (&json!(7), &json!(512)));
    assert_eq!(answer.json()["result_info"], json!({ "count": 1, "cursor": "", "lost": 3 }));
    assert_eq!(answer.json()["messages"], json!([]));

    // The end was not come to, so that nobody knows how many there are.
    let rest = json!({ "view": "invocations", "offset": "next", "timeframe": timeframe, "parameters": {} });
    let answer = ask("query", rest.clone()).await;
    assert_eq!(answer.result()["invocations"], json!([true]));
    assert_eq!(answer.result().get("events"), None);
    assert_eq!(answer.json()["result_info"]["cursor"], "next");
    let message = &answer.json()["messages"][0];
    assert!(message["message"].as_str().unwrap().contains("back to 1970-01-01T00:00:00.000000Z"), "{message}");
    let events = ask("query", json!({ "offset": "next", "timeframe": timeframe, "parameters": {} })).await.result();
    assert_eq!(events["events"], json!({ "events": [true] }));

    assert_eq!(ask("keys", json!({})).await.result(), json!([false]));
    assert_eq!(ask("values", json!({ "key": "a" })).await.result(), json!([false]));
    let asked = server.platform.logs.lock().unwrap().clone();
    assert_eq!(asked[0], (LogsAbout::Events, "local".to_owned(), query));
    assert_eq!(asked[1], (LogsAbout::Events, "local".to_owned(), rest));
    assert_eq!(asked[3].0, LogsAbout::Keys);
    assert_eq!(asked[4].0, LogsAbout::Values);

    for what in ["query", "keys", "values"] {
        let refused = ask(what, json!({ "wrong": 1 })).await;
        refused.error(400, 20000);
        assert_eq!(refused.pointer(), "/wrong");
        ask(what, json!([])).await.error(400, 20000);
    }
}

#[tokio::test]
async fn telemetry_is_read_with_filters_and_a_cursor() {
    let server = Server::start().await;
    let answer = server.get("/workers/invocations?worker=w&outcome=exceededCpu&limit=5").await;
    assert_eq!(answer.result(), json!([{ "outcome": "ok", "scriptName": "w" }]));
    assert_eq!(answer.json()["result_info"], json!({ "count": 1, "cursor": "next", "lost": 3 }));
    let last = || {
        let queries = server.platform.queries.lock().unwrap();
        queries.last().unwrap().pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(last(), ["worker=w", "outcome=exceededCpu", "limit=5"]);
    let answer = server.get("/workers/invocations?cursor=next").await;
    assert_eq!(answer.result(), json!([]));
    assert_eq!(answer.json()["result_info"]["cursor"], "");
    server.get("/connectivity/events?code=a&code=b%20c&since=").await.result();
    assert_eq!(last(), ["code=a", "code=b c", "since="]);
    let refused = server.get("/workers/invocations?cursor=wrong").await;
    refused.error(400, 20000);
    assert_eq!(refused.pointer(), "/cursor");
    server.get("/workers/invocations?cursor=down").await.error(503, 20009);
    let metrics = server.get("/workers/metrics?by=worker").await.result();
    assert_eq!(metrics, json!({ "workers": [["by", "worker"]] }));
    let metrics = server.get("/connectivity/metrics?code=a&code=b").await.result();
    assert_eq!(metrics, json!({ "connections": [["code", "a"], ["code", "b"]] }));
}
