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

#[tokio::test]
async fn a_worker_its_versions_and_their_deployment() {
    let server = Server::start().await;
    server.deploy("tail", json!({})).await.result();
    // cloudflare_worker, with the defaults that the provider sends.
    let observability = json!({
        "enabled": false, "head_sampling_rate": 1,
        "logs": { "enabled": false, "head_sampling_rate": 1, "invocation_logs": true, "persist": true, "destinations": [] },
        "traces": { "enabled": false, "head_sampling_rate": 1, "persist": true, "destinations": [] },
    });
    let wanted = json!({
        "name": "shop", "logpush": false, "tags": ["team=a"], "observability": observability,
        "subdomain": { "enabled": true, "previews_enabled": false }, "tail_consumers": [],
    });
    let same = |shown: &Value, wanted: &Value| {
        for (member, value) in wanted.as_object().unwrap() {
            let mut shown = shown[member].clone();
            if member == "subdomain" {
                shown.as_object_mut().unwrap().remove("url");
            }
            assert_eq!(shown, *value, "{member}");
        }
    };
    let made = server.call(Method::POST, "/workers/workers", wanted.clone()).await.result();
    same(&made, &wanted);
    assert_eq!(made["deployed_on"], Value::Null);
    server.call(Method::POST, "/workers/workers", wanted.clone()).await.error(409, 20002);
    let one = format!("/workers/workers/{}", made["id"].as_str().unwrap());
    assert_eq!(server.get(&one).await.result(), made);
    assert_eq!(server.get("/workers/workers/shop").await.result(), made);
    let tails = json!({ "name": "shop", "tail_consumers": [{ "name": "nobody" }] });
    server.call(Method::PUT, &one, tails).await.error(400, 20000);
    let renamed = server.call(Method::PUT, &one, json!({ "name": "store" })).await;
    renamed.error(400, 20000);
    assert_eq!(renamed.pointer(), "/name");

    // cloudflare_worker_version
    let module = json!({
        "name": "index.js", "content_type": "application/javascript+module",
        "content_base64": "ZXhwb3J0IGRlZmF1bHQge307Cg==",
    });
    let wanted = json!({
        "main_module": "index.js", "compatibility_date": "2025-09-01", "compatibility_flags": ["nodejs_compat"],
        "bindings": [{ "name": "GREETING", "type": "plain_text", "text": "hello" }],
        "annotations": { "workers/message": "by Terraform" }, "usage_model": "standard",
        "cache_options": { "enabled": false, "cross_version_cache": false }, "limits": { "cpu_ms": 50 },
    });
    let mut body = wanted.clone();
    body["modules"] = json!([module]);
    body["bindings"].as_array_mut().unwrap().push(json!({ "name": "KEY", "type": "secret_text", "text": "hunter2" }));
    let versions = format!("{one}/versions");
    let first = server.call(Method::POST, &versions, body.clone()).await.result();
    assert!(!first.to_string().contains("hunter2"));
    let version = format!("{versions}/{}", first["id"].as_str().unwrap());
    let read = server.get(&format!("{version}?include=modules")).await.result();
    assert_eq!(read["modules"], body["modules"]);
    assert_eq!(server.get(&version).await.result(), first);
    for (member, value) in wanted.as_object().unwrap().iter().filter(|(member, _)| *member != "annotations") {
        if member == "bindings" {
            assert_eq!(first[member][0], value[0]);
        } else {
            assert_eq!(first[member], *value, "{member}");
        }
    }
    assert_eq!(first["annotations"]["workers/message"], "by Terraform");
    // A version has the bindings that it names, and no secret of the one before.
    body["bindings"] = wanted["bindings"].clone();
    let second = server.call(Method::POST, &format!("{versions}?deploy=true"), body.clone()).await.result();
    assert_eq!(second["bindings"], wanted["bindings"]);
    assert!(server.get(&one).await.result()["deployed_on"].is_string());
    let listed = server.get(&versions).await;
    assert_eq!(
        (listed.result()[0]["id"].clone(), listed.result()[1]["id"].clone()),
        (second["id"].clone(), first["id"].clone())
    );
    let deployed = format!("{versions}/{}", second["id"].as_str().unwrap());
    server.call(Method::DELETE, &deployed, Value::Null).await.error(409, 20003);
    server.call(Method::DELETE, &version, Value::Null).await.result();
    server.get(&version).await.error(404, 20001);
    for (member, wrong) in [
        (
            "modules",
            json!([{ "name": "index.js", "content_type": "application/javascript+module", "content_base64": "*" }]),
        ),
        ("modules", json!({})),
        ("cache_options", json!({ "enabled": true })),
    ] {
        let mut body = body.clone();
        body[member] = wrong;
        let answer = server.call(Method::POST, &versions, body).await;
        assert_eq!(answer.status, 400, "{member}: {:?}", answer.json());
    }

    let reset = server.call(Method::PUT, &one, json!({ "name": "shop" })).await.result();
    same(&reset, &json!({ "tags": [], "subdomain": { "enabled": false, "previews_enabled": false } }));
    let changed = server.call(Method::PATCH, &one, json!({ "tags": ["x"], "subdomain": { "enabled": true } })).await;
    same(&changed.result(), &json!({ "tags": ["x"], "subdomain": { "enabled": true, "previews_enabled": false } }));
    let names = |list: Value| list.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(server.get("/workers/workers").await.result()), ["shop", "tail"]);
    assert_eq!(names(server.get("/workers/workers?order_by=name&order=desc").await.result()), ["tail", "shop"]);
    server.call(Method::DELETE, &one, Value::Null).await.result();
    server.get(&one).await.error(404, 10007);
}

#[tokio::test]
async fn deployments_that_are_not_in_force_can_be_deleted() {
    let server = Server::start().await;
    for _ in 0..2 {
        server.deploy("shop", json!({})).await.result();
    }
    let deployments = server.get("/workers/scripts/shop/deployments").await.result()["deployments"].clone();
    let path = |at: usize| format!("/workers/scripts/shop/deployments/{}", deployments[at]["id"].as_str().unwrap());
    server.call(Method::DELETE, &path(0), Value::Null).await.error(409, 20003);
    server.call(Method::DELETE, &path(1), Value::Null).await.result();
    server.get(&path(1)).await.error(404, 20001);
    server.call(Method::DELETE, &path(1), Value::Null).await.error(404, 20001);
    server.get(&path(0)).await.result();
}

#[tokio::test]
async fn a_custom_domain_in_the_zone_that_was_named() {
    let server = Server::start().await;
    server.deploy("shop", json!({})).await.result();
    let bearer = format!("Bearer {}", server.token);
    let get = async |path: &str| server.send(Method::GET, path, &[("authorization", &bearer)], "").await.result();
    let zone = get("/zones?name=example.test").await[0].clone();
    assert_eq!(get(&format!("/zones/{}", zone["id"].as_str().unwrap())).await, zone);
    let body = json!({ "hostname": "shop.example.test", "service": "shop", "zone_id": zone["id"], "environment": "production" });
    let made = server.call(Method::PUT, "/workers/domains", body.clone()).await.result();
    let one = format!("/workers/domains/{}", made["id"].as_str().unwrap());
    let read = server.get(&one).await.result();
    for (member, value) in body.as_object().unwrap() {
        assert_eq!(read[member], *value, "{member}");
    }
    assert_eq!(read["zone_name"], "example.test");
    let again = json!({ "hostname": "shop.example.test", "service": "shop" });
    assert_eq!(server.call(Method::PUT, "/workers/domains", again).await.result()["zone_id"], zone["id"]);
    assert_eq!(server.get("/workers/domains?zone_name=example.test").await.result()[0], read);
    assert_eq!(server.get("/workers/domains?zone_name=other.test").await.result(), json!([]));
    for (member, wrong) in [("zone_name", "other.test"), ("zone_id", "x"), ("environment", "staging")] {
        let mut body = body.clone();
        body[member] = wrong.into();
        let answer = server.call(Method::PUT, "/workers/domains", body).await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), format!("/{member}"));
    }
}

#[tokio::test]
async fn network_routes_and_the_virtual_network() {
    let server = Server::start().await;
    let (tunnel, other) = (server.tunnel("a").await, server.tunnel("b").await);
    // zero_trust_tunnel_cloudflared_virtual_network: there is one, which can be read.
    let network = server.get("/teamnet/virtual_networks?is_default=true").await.result()[0].clone();
    let path = format!("/teamnet/virtual_networks/{}", network["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.result(), network);
    server.call(Method::POST, "/teamnet/virtual_networks", json!({ "name": "staging" })).await.error(400, 20011);
    server.get("/teamnet/virtual_networks/00000000-0000-4000-8000-000000000000").await.error(404, 20001);
    // zero_trust_tunnel_cloudflared_route
    let route =
        json!({ "network": "10.1.0.0/16", "tunnel_id": tunnel, "comment": "", "virtual_network_id": network["id"] });
    lives(
        &server,
        (Method::POST, "/teamnet/routes", route.clone()),
        "/teamnet/routes/{id}",
        "id",
        (Method::PATCH, json!({ "comment": "warehouse", "tunnel_id": other, "network": "10.2.0.0/16" })),
        (404, 20001),
    )
    .await;
    server.call(Method::POST, "/teamnet/routes", route.clone()).await.result();
    for (query, found) in [
        ("network_subset=10.0.0.0/8", 1),
        ("network_superset=10.1.2.0/24", 1),
        ("network_subset=10.1.2.0/24", 0),
        ("is_deleted=true", 0),
        ("comment=x", 0),
    ] {
        let listed = server.get(&format!("/teamnet/routes?{query}")).await.result();
        assert_eq!(listed.as_array().unwrap().len(), found, "{query}");
    }
    let mut elsewhere = route;
    elsewhere["virtual_network_id"] = "00000000-0000-4000-8000-000000000000".into();
    server.call(Method::POST, "/teamnet/routes", elsewhere).await.error(400, 20000);
    // zero_trust_network_hostname_route, whose comment is optional.
    let made = server
        .call(Method::POST, "/zerotrust/routes/hostname", json!({ "hostname": "db.internal", "tunnel_id": tunnel }))
        .await
        .result();
    assert_eq!(made["comment"], Value::Null);
    let one = format!("/zerotrust/routes/hostname/{}", made["id"].as_str().unwrap());
    let changed =
        server.call(Method::PATCH, &one, json!({ "hostname": "*.internal", "comment": "all" })).await.result();
    assert_eq!((&changed["hostname"], &changed["comment"]), (&json!("*.internal"), &json!("all")));
    assert_eq!(server.call(Method::PATCH, &one, json!({ "comment": null })).await.result()["comment"], Value::Null);
    assert_eq!(server.get("/zerotrust/routes/hostname?hostname=*.internal").await.result()[0]["id"], made["id"]);
    server.call(Method::PATCH, &one, json!({ "tunnel_id": "x" })).await.error(400, 20000);
}

#[tokio::test]
async fn account_tokens_with_a_policy() {
    let server = Server::start().await;
    let groups = server.get("/tokens/permission_groups?name=Workers%20Scripts%20Write").await.result();
    assert_eq!(
        groups,
        json!([{ "id": "workers-scripts.edit", "name": "Workers Scripts Edit", "scopes": ["com.cloudflare.api.account"] }])
    );
    let policy = |groups: &[&str]| {
        json!([{
            "effect": "allow",
            "permission_groups": groups.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
            "resources": { "com.cloudflare.api.account.local": "*" },
        }])
    };
    let body = json!({ "name": "ci", "policies": policy(&["workers-scripts.edit"]) });
    let made = server.call(Method::POST, "/tokens", body.clone()).await.result();
    let one = format!("/tokens/{}", made["id"].as_str().unwrap());
    let read = server.get(&one).await.result();
    assert_eq!(read["policies"][0]["permission_groups"][0]["id"], "workers-scripts.edit");
    assert_eq!(read["policies"][0]["resources"], body["policies"][0]["resources"]);
    assert!(read.get("value").is_none());
    let old = made["value"].as_str().unwrap();
    server.call_as(old, Method::GET, "/tokens/verify", Value::Null).await.result();

    let body = json!({ "name": "cd", "policies": policy(&["cloudflare-tunnel.read", "workers-scripts.read"]), "status": "active" });
    let changed = server.call(Method::PUT, &one, body.clone()).await.result();
    assert_eq!(
        (&changed["name"], &changed["permissions"]),
        (&json!("cd"), &json!(["cloudflare-tunnel.read", "workers-scripts.read"]))
    );
    server.call_as(old, Method::POST, "/cfd_tunnel", json!({ "name": "t" })).await.error(403, 20007);
    let rolled = server.call(Method::PUT, &format!("{one}/value"), json!({})).await.result();
    server.call_as(old, Method::GET, "/tokens/verify", Value::Null).await.error(401, 9109);
    server.call_as(rolled.as_str().unwrap(), Method::GET, "/cfd_tunnel", Value::Null).await.result();

    for (member, wrong) in [
        ("policies", json!([])),
        ("policies", json!([{ "effect": "deny" }])),
        (
            "policies",
            json!([{ "effect": "allow", "permission_groups": [], "resources": { "com.cloudflare.api.account.zone.*": "*" } }]),
        ),
        ("condition", json!({ "request_ip": { "in": ["10.0.0.0/8"] } })),
        ("status", json!("disabled")),
    ] {
        let mut body = body.clone();
        body[member] = wrong.clone();
        server.call(Method::PUT, &one, body).await.error(400, 20000);
    }
    server.call(Method::DELETE, &one, Value::Null).await.result();
    server.get(&one).await.error(404, 20001);
    server.call(Method::PUT, &one, body).await.error(404, 20001);
}

#[tokio::test]
async fn nobody_sees_the_value_of_a_token_that_may_do_more() {
    let server = Server::start().await;
    let token = async |permissions: Value| {
        let body = json!({ "name": "t", "permissions": permissions });
        server.call(Method::POST, "/tokens", body).await.result()
    };
    let clerk = token(json!(["api-tokens.edit"])).await;
    let chief = token(json!(["api-tokens.edit", "cloudflare-tunnel.edit"])).await;
    let (clerk, chief) = (clerk["value"].as_str().unwrap(), chief["id"].as_str().unwrap());
    server.call_as(clerk, Method::PUT, &format!("/tokens/{chief}/value"), json!({})).await.error(403, 20007);
    let body = json!({ "name": "t", "permissions": ["cloudflare-tunnel.edit"] });
    server.call_as(clerk, Method::PUT, &format!("/tokens/{chief}"), body).await.error(403, 20007);
}
