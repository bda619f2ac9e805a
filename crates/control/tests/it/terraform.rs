//! What Terraform's provider (cloudflare 5) calls for the objects that Culvert has, in its order and with its bodies, as
//! its published source does. Each resource is created, read, changed, read and deleted.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Form, Server};

/// Creates, reads, updates, reads, deletes, and reads what is gone.
async fn lives(
    server: &Server,
    create: (Method, &str, Value),
    one: &str,
    id: &str,
    update: (Method, Value),
    gone: (u16, u32),
) {
    let made = server.call(create.0, create.1, create.2.clone()).await.result();
    let path = one.replace("{id}", made[id].as_str().unwrap());
    let read = server.get(&path).await.result();
    for (field, value) in create.2.as_object().unwrap() {
        assert_eq!(read[field], *value, "{path}: {field}");
    }
    let updated = server.call(update.0, &path, update.1.clone()).await.result();
    for (field, value) in update.1.as_object().unwrap() {
        assert_eq!(updated[field], *value, "{path}: {field}");
        assert_eq!(server.get(&path).await.result()[field], *value, "{path}: {field}");
    }
    server.call(Method::DELETE, &path, Value::Null).await.result();
    server.get(&path).await.error(gone.0, gone.1);
}

#[tokio::test]
async fn a_script_with_its_deployment_triggers_and_subdomain() {
    let server = Server::start().await;
    // workers_script
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2025-09-01", "keep_assets": false,
        "bindings": [{ "name": "GREETING", "type": "plain_text", "text": "hello" }],
        "annotations": { "workers/message": "by Terraform" },
    });
    let made = server.upload(Method::PUT, "/workers/scripts/shop", &Form::worker(metadata)).await.result();
    assert_eq!(made["id"], "shop");
    let service = server.get("/workers/services/shop").await.result();
    assert!(service["default_environment"]["script"]["tag"].is_string());
    let settings = server.get("/workers/scripts/shop/settings").await.result();
    assert_eq!(settings["bindings"][0]["text"], "hello");
    assert_eq!(settings["compatibility_date"], "2025-09-01");
    assert_eq!(server.get("/workers/scripts/shop/content/v2").await.status, 200);

    // workers_deployment
    let version = server.get("/workers/scripts/shop/versions").await.result()["items"][0]["id"].clone();
    let body = json!({ "strategy": "percentage", "versions": [{ "percentage": 100, "version_id": version }],
                       "annotations": { "workers/message": "m" } });
    let deployed = server.call(Method::POST, "/workers/scripts/shop/deployments", body).await.result();
    let path = format!("/workers/scripts/shop/deployments/{}", deployed["id"].as_str().unwrap());
    let read = server.get(&path).await.result();
    assert_eq!(read, deployed);
    assert_eq!((&read["strategy"], &read["versions"][0]["version_id"]), (&json!("percentage"), &version));
    server.get("/workers/scripts/shop/deployments/00000000-0000-4000-8000-000000000000").await.error(404, 20001);

    // workers_cron_trigger
    let crons = server.call(Method::PUT, "/workers/scripts/shop/schedules", json!([{ "cron": "*/5 * * * *" }])).await;
    assert_eq!(crons.result()["schedules"][0]["cron"], "*/5 * * * *");
    assert_eq!(server.get("/workers/scripts/shop/schedules").await.result()["schedules"][0]["cron"], "*/5 * * * *");

    // workers_script_subdomain
    let subdomain = "/workers/scripts/shop/subdomain";
    let on = json!({ "enabled": true, "previews_enabled": false });
    assert_eq!(server.call(Method::POST, subdomain, on.clone()).await.result(), on);
    assert_eq!(server.get(subdomain).await.result(), on);
    let off = json!({ "enabled": false, "previews_enabled": false });
    assert_eq!(server.call(Method::DELETE, subdomain, Value::Null).await.result(), off);

    server.call(Method::DELETE, "/workers/scripts/shop", Value::Null).await.result();
    server.get("/workers/services/shop").await.error(404, 10090);
}

#[tokio::test]
async fn routes_and_custom_domains_one_by_one() {
    let server = Server::start().await;
    for name in ["shop", "blog"] {
        server.deploy(name, json!({})).await.result();
    }
    let bearer = format!("Bearer {}", server.token);
    let call = |method: Method, path: String, body: Value| {
        let (server, bearer) = (&server, bearer.clone());
        async move { server.send(method, &path, &[("authorization", &bearer)], body.to_string()).await }
    };
    // workers_route
    let zone = call(Method::GET, "/zones?name=example.test".to_owned(), Value::Null).await.result()[0]["id"].clone();
    let routes = format!("/zones/{}/workers/routes", zone.as_str().unwrap());
    let body = json!({ "pattern": "app.example.test/*", "script": "shop" });
    let made = call(Method::POST, routes.clone(), body.clone()).await.result();
    call(Method::POST, routes.clone(), body).await.error(409, 20003);
    let one = format!("{routes}/{}", made["id"].as_str().unwrap());
    assert_eq!(call(Method::GET, one.clone(), Value::Null).await.result(), made);
    let moved = json!({ "pattern": "app.example.test/api/*", "script": "blog" });
    call(Method::PUT, one.clone(), moved).await.result();
    assert_eq!(server.store.triggers("shop").await.unwrap().routes, []);
    assert_eq!(server.store.triggers("blog").await.unwrap().routes[0].pattern, "app.example.test/api/*");
    assert_eq!(call(Method::GET, routes.clone(), Value::Null).await.result()[0]["script"], "blog");
    assert_eq!(call(Method::DELETE, one.clone(), Value::Null).await.result()["id"], made["id"]);
    call(Method::GET, one, Value::Null).await.error(404, 20001);
    for (body, pointer) in [
        (json!({ "script": "shop" }), "/pattern"),
        (json!({ "pattern": "a b", "script": "shop" }), "/pattern"),
        (json!({ "pattern": "a.test/*" }), "/script"),
    ] {
        let answer = call(Method::POST, routes.clone(), body).await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), pointer);
    }
    call(Method::POST, routes, json!({ "pattern": "a.test/*", "script": "nobody" })).await.error(404, 10007);

    // workers_custom_domain
    let body = json!({ "hostname": "Shop.example.test", "service": "shop", "environment": "production" });
    let made = server.call(Method::PUT, "/workers/domains", body).await.result();
    assert_eq!(made["hostname"], "shop.example.test");
    let again = json!({ "hostname": "shop.example.test", "service": "blog" });
    let moved = server.call(Method::PUT, "/workers/domains", again).await.result();
    assert_eq!((&moved["id"], &moved["service"]), (&made["id"], &json!("blog")));
    let one = format!("/workers/domains/{}", made["id"].as_str().unwrap());
    assert_eq!(server.get(&one).await.result(), moved);
    server.call(Method::DELETE, &one, Value::Null).await.result();
    server.get(&one).await.error(404, 20001);
    let wrong = json!({ "hostname": "*.example.test", "service": "shop" });
    server.call(Method::PUT, "/workers/domains", wrong).await.error(400, 20000);
}

#[tokio::test]
async fn tunnels_and_private_services() {
    let server = Server::start().await;
    let kept = server.tunnel("kept").await;
    // connectivity_directory_service
    let service = |name: &str| {
        json!({ "name": name, "type": "http", "http_port": 8080,
                "host": { "ipv4": "10.0.0.5", "network": { "tunnel_id": kept } },
                "tls_settings": { "cert_verification_mode": "verify_full" } })
    };
    lives(
        &server,
        (Method::POST, "/connectivity/directory/services", service("api")),
        "/connectivity/directory/services/{id}",
        "service_id",
        (Method::PUT, service("renamed")),
        (404, 20001),
    )
    .await;
    // zero_trust_tunnel_cloudflared: what was deleted is still read, and says when.
    let made =
        server.call(Method::POST, "/cfd_tunnel", json!({ "name": "t", "config_src": "cloudflare" })).await.result();
    let path = format!("/cfd_tunnel/{}", made["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.result()["name"], "t");
    assert_eq!(server.call(Method::PATCH, &path, json!({ "name": "u" })).await.result()["name"], "u");
    assert!(server.get(&format!("{path}/token")).await.result().is_string());
    server.call(Method::DELETE, &path, Value::Null).await.result();
    assert!(server.get(&path).await.result()["deleted_at"].is_string());
}
