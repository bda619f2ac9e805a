//! Versions, deployments, secrets, settings, triggers, deletion: the life of a Worker over the API.

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Form, Server};

const SCRIPT: &str = "/workers/scripts/w";

async fn upload_version(server: &Server, metadata: Value) -> String {
    let answer = server
        .upload(Method::POST, &format!("{SCRIPT}/versions?bindings_inherit=strict"), &Form::worker(metadata))
        .await;
    let result = answer.result();
    assert!(result["resources"]["script"]["etag"].is_string());
    result["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_calls_before_a_first_deployment_say_not_found() {
    let server = Server::start().await;
    server.get("/workers/services/w").await.error(404, 10090);
    for path in [
        "",
        "/settings",
        "/deployments",
        "/versions",
        "/secrets",
        "/subdomain",
        "/script-settings",
        "/schedules",
        "/references",
        "/content/v2",
    ] {
        server.get(&format!("{SCRIPT}{path}")).await.error(404, 10007);
    }
    for (method, path) in [(Method::PUT, "/secrets"), (Method::PATCH, "/script-settings"), (Method::POST, "/subdomain")]
    {
        let body = json!({ "name": "K", "text": "x", "type": "secret_text" });
        server.call(method, &format!("{SCRIPT}{path}"), body).await.error(404, 10007);
    }
    server.upload(Method::POST, &format!("{SCRIPT}/versions"), &Form::worker(json!({}))).await.error(404, 10007);
    server.call(Method::PATCH, &format!("{SCRIPT}/settings"), json!({})).await.error(404, 10007);
    server.call(Method::DELETE, SCRIPT, Value::Null).await.error(404, 10007);
    server.call(Method::DELETE, "/workers/services/w", Value::Null).await.error(404, 10007);
    server.call(Method::PUT, &format!("{SCRIPT}/schedules"), json!([])).await.error(404, 10007);
    server.get("/workers/workers/w").await.error(404, 10007);
}

#[tokio::test]
async fn an_answer_comes_after_the_serving_path_has_followed() {
    let server = Server::start().await;
    let served = || server.platform.served.load(Ordering::SeqCst);
    let mut last = served();
    let mut check = |what: &str| {
        let now = served();
        assert!(now > last, "{what} was answered before it was served");
        last = now;
    };
    server.deploy("w", json!({})).await.result();
    check("a deployment");
    let version = upload_version(&server, json!({})).await;
    check("a version");
    let body = json!({ "strategy": "percentage", "versions": [{ "version_id": version, "percentage": 100 }] });
    server.call(Method::POST, &format!("{SCRIPT}/deployments"), body).await.result();
    check("a version's deployment");
    let secret = json!({ "name": "K", "text": "x", "type": "secret_text" });
    server.call(Method::PUT, &format!("{SCRIPT}/secrets"), secret).await.result();
    check("a secret");
    server.call(Method::DELETE, &format!("{SCRIPT}/secrets/K?url_encoded=true"), Value::Null).await.result();
    check("a secret's deletion");
    server.call(Method::POST, &format!("{SCRIPT}/subdomain"), json!({ "enabled": false })).await.result();
    check("a subdomain");
    server.call(Method::PATCH, &format!("{SCRIPT}/script-settings"), json!({ "tags": ["a"] })).await.result();
    check("settings");
    server.call(Method::PUT, &format!("{SCRIPT}/schedules"), json!([{ "cron": "* * * * *" }])).await.result();
    check("a schedule");
    let tunnel = server.tunnel("t").await;
    check("a tunnel");
    let service = server.service("s", &tunnel).await;
    check("a service");
    server.call(Method::DELETE, &format!("/connectivity/directory/services/{service}"), Value::Null).await.result();
    check("a service's deletion");
    server.call(Method::DELETE, &format!("/cfd_tunnel/{tunnel}"), Value::Null).await.result();
    check("a tunnel's deletion");
    server.call(Method::DELETE, "/workers/services/w?force=false", Value::Null).await.result();
    check("a Worker's deletion");
}

#[tokio::test]
async fn versions_are_uploaded_deployed_split_and_rolled_back() {
    let server = Server::start().await;
    let first = server.deploy("w", json!({})).await.result()["deployment_id"].as_str().unwrap().to_owned();
    let service = server.get("/workers/services/w").await.result();
    assert_eq!(service["default_environment"]["script"]["last_deployed_from"], "wrangler");
    let second = upload_version(&server, json!({ "annotations": { "workers/tag": "v2" } })).await;
    let deployments = format!("{SCRIPT}/deployments");
    let deploy = |versions: Value| {
        let (server, deployments) = (&server, &deployments);
        async move {
            let body = json!({ "strategy": "percentage", "versions": versions,
                "annotations": { "workers/message": "m" }, "code_update_strategy": { "mode": "deferred" } });
            server.call(Method::POST, deployments, body).await
        }
    };
    let newest = || async { server.get(&deployments).await.result()["deployments"][0].clone() };
    assert_eq!(newest().await["versions"], json!([{ "version_id": first, "percentage": 100 }]));
    deploy(json!([{ "version_id": second, "percentage": 100 }])).await.result();
    let shown = newest().await;
    assert_eq!(shown["versions"], json!([{ "version_id": second, "percentage": 100 }]));
    assert_eq!(shown["annotations"], json!({ "workers/message": "m", "workers/triggered_by": "upload" }));
    deploy(json!([{ "version_id": first, "percentage": 12.5 }, { "version_id": second, "percentage": 87.5 }]))
        .await
        .result();
    assert_eq!(newest().await["versions"][1], json!({ "version_id": first, "percentage": 12.5 }));
    deploy(json!([{ "version_id": first, "percentage": 100 }])).await.result();
    assert_eq!(newest().await["annotations"]["workers/triggered_by"], "rollback");

    let listed = server.get(&format!("{SCRIPT}/versions?deployable=true")).await.result();
    let numbers: Vec<_> = listed["items"].as_array().unwrap().iter().map(|v| v["number"].clone()).collect();
    assert_eq!(numbers, [2, 1]);
    let other = uuid::Uuid::new_v4().to_string();
    for (versions, status, code) in [
        (json!([]), 400, 20000),
        (json!("x"), 400, 20000),
        (json!([{ "version_id": first, "percentage": 99 }]), 400, 20000),
        (json!([{ "version_id": first, "percentage": 101 }]), 400, 20000),
        (json!([{ "version_id": first, "percentage": "100" }]), 400, 20000),
        (json!([{ "version_id": "x", "percentage": 100 }]), 400, 20000),
        (json!([{ "version_id": first, "percentage": 50 }, { "version_id": first, "percentage": 50 }]), 400, 20000),
        (json!([{ "version_id": other, "percentage": 100 }]), 404, 20001),
    ] {
        deploy(versions).await.error(status, code);
    }
    let body = json!({ "strategy": "canary", "versions": [] });
    server.call(Method::POST, &deployments, body).await.error(400, 20000);
    server.get(&format!("{SCRIPT}/versions/{other}")).await.error(404, 20001);
    server.get(&format!("{SCRIPT}/versions/x")).await.error(404, 7003);
    server.get(&format!("{SCRIPT}/content/v2?version=x")).await.error(400, 20000);
}

#[tokio::test]
async fn a_rollback_over_a_changed_secret_is_to_be_confirmed() {
    let server = Server::start().await;
    let deployed = |answer: Value| answer["deployment_id"].as_str().unwrap().to_owned();
    let secrets = json!([
        { "name": "KEY", "type": "secret_text", "text": "old" }, { "name": "SAME", "type": "secret_text", "text": "s" }
    ]);
    let first = deployed(server.deploy("w", json!({ "bindings": secrets })).await.result());
    let second = deployed(server.deploy("w", json!({})).await.result());
    let deployments = format!("{SCRIPT}/deployments");
    let deploy = async |query: &str, shares: &[(&str, u8)]| {
        let shares: Vec<Value> =
            shares.iter().map(|(id, percentage)| json!({ "version_id": id, "percentage": percentage })).collect();
        let body = json!({ "strategy": "percentage", "versions": shares });
        server.call(Method::POST, &format!("{deployments}{query}"), body).await
    };
    // With the same secrets nobody asks.
    deploy("", &[(&first, 100)]).await.result();
    deploy("", &[(&second, 100)]).await.result();
    for (name, text) in [("KEY", "new"), ("ADDED", "x")] {
        let body = json!({ "name": name, "text": text, "type": "secret_text" });
        server.call(Method::PUT, &format!("{SCRIPT}/secrets"), body).await.result();
    }
    let told = deploy("", &[(&first, 100)]).await.error(409, 10220);
    // wrangler takes what follows these words apart at each comma.
    assert_eq!(told.split_once("The following secrets have changed: ").unwrap().1, "ADDED, KEY");
    let newest = server.get(&deployments).await.result()["deployments"][0]["versions"][0]["version_id"].clone();
    let newest = newest.as_str().unwrap();
    deploy("", &[(&first, 10), (newest, 90)]).await.error(409, 10220);
    deploy("?force=false", &[(&second, 100)]).await.error(409, 10220);
    deploy("?force=true", &[(&first, 10), (newest, 90)]).await.result();
    // What serves already may serve all.
    deploy("", &[(&first, 100)]).await.result();
    // And forth again: whoever looks at the newest secrets sees them.
    deploy("", &[(newest, 100)]).await.result();
}

#[tokio::test]
async fn what_is_recorded_does_not_change_with_the_second_deployment() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.token);
    let patched = async || {
        let headers = [("authorization", bearer.as_str()), ("user-agent", "wrangler/4.164.0")];
        // What wrangler sends after each deployment but the first, where the configuration says nothing or this.
        let body = json!({ "observability": { "enabled": false }, "tags": [] }).to_string();
        let path = format!("/accounts/local{SCRIPT}/script-settings");
        server.send(Method::PATCH, &path, &headers, body).await.result()["observability"].clone()
    };
    server.deploy("w", json!({})).await.result();
    upload_version(&server, json!({})).await;
    assert_eq!(patched().await, Value::Null);
    let off = json!({ "enabled": false });
    upload_version(&server, json!({ "observability": off })).await;
    assert_eq!(patched().await, off);
    // Taken out of the configuration again.
    upload_version(&server, json!({})).await;
    assert_eq!(patched().await, Value::Null);
    // Others mean what they say.
    let told = server.call(Method::PATCH, &format!("{SCRIPT}/script-settings"), json!({ "observability": off })).await;
    assert_eq!(told.result()["observability"], off);
}

#[tokio::test]
async fn a_custom_domain_that_another_worker_has_is_told_and_taken() {
    let server = Server::start().await;
    for name in ["a", "b"] {
        server.deploy(name, json!({})).await.result();
    }
    let origins = json!([{ "hostname": "shop.example.test" }]);
    server.call(Method::PUT, "/workers/scripts/a/domains/records", json!({ "origins": origins })).await.result();
    let changes = server
        .call(Method::POST, "/workers/scripts/b/domains/changeset?replace_state=true", origins.clone())
        .await
        .result();
    let id = changes["updated"][0]["id"].as_str().unwrap();
    let domain = server.get(&format!("/workers/domains/records/{id}")).await.result();
    assert_eq!((&domain["hostname"], &domain["service"]), (&json!("shop.example.test"), &json!("a")));
    server
        .call(Method::PUT, "/workers/scripts/b/domains/records", json!({ "origins": origins }))
        .await
        .error(409, 20003);
    let taking = json!({ "origins": origins, "override_existing_origin": true });
    server.call(Method::PUT, "/workers/scripts/b/domains/records", taking).await.result();
    // One that is not to serve is not accepted as one that does.
    for (switch, value) in [("enabled", false), ("previews_enabled", true)] {
        let mut origin = json!({ "hostname": "c.example.test" });
        origin[switch] = value.into();
        let answer = server
            .call(Method::PUT, "/workers/scripts/b/domains/records", json!({ "origins": [origin.clone()] }))
            .await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), format!("/origins/0/{switch}"));
        origin["service"] = "b".into();
        server.call(Method::PUT, "/workers/domains", origin).await.error(400, 20000);
    }
}

fn secret_names(settings: &Value) -> Vec<String> {
    settings.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn secrets_outlive_uploads_and_never_come_back() {
    let server = Server::start().await;
    server.deploy("w", json!({ "bindings": [{ "name": "VAR", "type": "plain_text", "text": "x" }] })).await.result();
    let path = format!("{SCRIPT}/secrets");
    let put = |name: &str, text: &str| {
        let body = json!({ "name": name, "text": text, "type": "secret_text" });
        let (server, path) = (&server, &path);
        async move { server.call(Method::PUT, path, body).await }
    };
    assert_eq!(put("A", "aaa").await.result(), json!({ "name": "A", "type": "secret_text" }));
    put("B", "bbb").await.result();
    put("A", "new").await.result();
    assert_eq!(secret_names(&server.get(&path).await.result()), ["B", "A"]);
    assert_eq!(server.get(&format!("{path}/A")).await.result()["type"], "secret_text");
    server.get(&format!("{path}/Z")).await.error(404, 10056);

    // An upload that does not speak of secrets keeps them, one that says so inherits them, one that keeps others drops them.
    server.deploy("w", json!({})).await.result();
    let last = || server.platform.candidates.lock().unwrap().last().unwrap().clone();
    assert_eq!(last().secrets["A"].expose_str(), Some("new"));
    server.deploy("w", json!({ "bindings": [{ "name": "A", "type": "inherit" }] })).await.result();
    assert_eq!(last().secrets.len(), 2);
    server
        .deploy("w", json!({ "keep_bindings": ["plain_text"], "bindings": [{ "name": "A", "type": "secret_text" }] }))
        .await
        .result();
    assert_eq!(last().secrets.len(), 1);
    assert!(last().bindings.iter().all(|binding| binding.name != "VAR"));

    let bulk = json!({ "secrets": { "A": null, "C": { "name": "C", "text": "ccc", "type": "secret_text" }, "D": { "text": "ddd" } } });
    let listed = server.call(Method::PATCH, &format!("{SCRIPT}/secrets-bulk"), bulk).await.result();
    assert_eq!(secret_names(&listed), ["C", "D"]);
    server.call(Method::DELETE, &format!("{path}/C"), Value::Null).await.result();
    server.call(Method::DELETE, &format!("{path}/C"), Value::Null).await.error(404, 10056);

    for (body, code) in [
        (json!({ "name": "A" }), 10021),
        (json!({ "text": "x" }), 10052),
        (json!([]), 10021),
        (json!({ "name": "A", "text": 5 }), 10021),
        (json!({ "name": "A", "text": "x", "type": "plain_text" }), 10021),
        (json!({ "name": "A", "text": "x".repeat(5_121) }), 10054),
    ] {
        server.call(Method::PUT, &path, body).await.error(400, code);
    }
    server.deploy("w", json!({ "bindings": [{ "name": "VAR", "type": "plain_text", "text": "x" }] })).await.result();
    let message = put("VAR", "x").await.error(400, 10021);
    assert!(message.contains("plain_text"), "{message}");
    // PostgreSQL has no file here.
    if let Ok(database) = std::fs::read(server.directory().join(store::DATABASE_FILE)) {
        assert!(!database.windows(3).any(|w| w == b"ccc"));
    }
}

#[tokio::test]
async fn a_secret_is_not_set_over_code_that_nobody_deployed() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    upload_version(&server, json!({})).await;
    let body = json!({ "name": "A", "text": "x", "type": "secret_text" });
    let message = server.call(Method::PUT, &format!("{SCRIPT}/secrets"), body).await.error(409, 10215);
    assert!(message.contains("versions secret put"), "{message}");
    let patch =
        json!({ "env": { "A": { "type": "secret_text", "text": "x" } }, "annotations": { "workers/tag": "t" } });
    let made = server.call(Method::PATCH, "/workers/workers/w/versions/latest", patch).await.result();
    assert_eq!(made["number"], 3);
    assert_eq!(made["resources"]["bindings"], json!([{ "name": "A", "type": "secret_text" }]));
    assert_eq!(server.get(&format!("{SCRIPT}/deployments")).await.result()["deployments"].as_array().unwrap().len(), 1);
    let patch = json!({ "modules": [] });
    server.call(Method::PATCH, "/workers/workers/w/versions/latest", patch).await.error(400, 10021);
}

#[tokio::test]
async fn simultaneous_secrets_are_all_kept() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let puts = (0..4).map(|n| {
        let body = json!({ "name": format!("S{n}"), "text": "x", "type": "secret_text" });
        let server = &server;
        async move { server.call(Method::PUT, "/workers/scripts/w/secrets", body).await }
    });
    for answer in futures_util::future::join_all(puts).await {
        answer.result();
    }
    let mut names = secret_names(&server.get(&format!("{SCRIPT}/secrets")).await.result());
    names.sort();
    assert_eq!(names, ["S0", "S1", "S2", "S3"]);
}

#[tokio::test]
async fn settings_are_read_and_changed() {
    let server = Server::start().await;
    server.deploy("w", json!({
        "bindings": [{ "name": "A", "type": "plain_text", "text": "1" }, { "name": "S", "type": "secret_text", "text": "2" }],
        "compatibility_date": "2025-09-01",
    })).await.result();
    let form = Form::new().field(
        "settings",
        &json!({
            "bindings": [{ "name": "A", "type": "plain_text" }, { "name": "T", "type": "secret_text", "text": "3" }],
            "limits": { "cpu_ms": 10 }, "compatibility_flags": ["nodejs_compat"],
        })
        .to_string(),
    );
    let changed = server.upload(Method::PATCH, &format!("{SCRIPT}/settings"), &form).await.result();
    assert_eq!(changed, server.get(&format!("{SCRIPT}/settings")).await.result());
    assert_eq!(
        changed["bindings"],
        json!([
            { "name": "A", "type": "plain_text", "text": "1" }, { "name": "T", "type": "secret_text" }, { "name": "S", "type": "secret_text" },
        ])
    );
    assert_eq!(changed["limits"], json!({ "cpu_ms": 10 }));
    assert_eq!(changed["compatibility_date"], "2025-09-01");
    server.call(Method::PATCH, &format!("{SCRIPT}/settings"), json!({ "main_module": "x" })).await.error(400, 10021);
    server.call(Method::PATCH, &format!("{SCRIPT}/settings"), json!([])).await.error(400, 10026);

    let body = json!({ "observability": { "enabled": true }, "tags": ["a"], "logpush": false, "tail_consumers": [] });
    let shown = server.call(Method::PATCH, &format!("{SCRIPT}/script-settings"), body.clone()).await.result();
    assert_eq!(shown, body);
    for body in [
        json!([]),
        json!({ "logpush": true }),
        json!({ "tags": "x" }),
        json!({ "tail_consumers": [{ "service": "t" }] }),
    ] {
        server.call(Method::PATCH, &format!("{SCRIPT}/script-settings"), body).await.error(400, 20000);
    }
    let subdomain = json!({ "enabled": false, "previews_enabled": true });
    assert_eq!(server.call(Method::POST, &format!("{SCRIPT}/subdomain"), subdomain.clone()).await.result(), subdomain);
    assert_eq!(server.get(&format!("{SCRIPT}/subdomain")).await.result(), subdomain);
    server.call(Method::POST, &format!("{SCRIPT}/subdomain"), json!({ "enabled": "x" })).await.error(400, 20000);
    let worker = server.get("/workers/workers/w").await.result();
    assert_eq!(worker["subdomain"]["url"], "http://w.localhost:8787");
    assert!(server.get("/workers/subdomain").await.result()["subdomain"].is_string());
}

#[tokio::test]
async fn triggers_are_set_and_refused() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    server.deploy("v", json!({})).await.result();
    let schedules = json!([{ "cron": "*/5 * * * *" }, { "cron": "0 0 * * MON" }]);
    let set = server.call(Method::PUT, &format!("{SCRIPT}/schedules"), schedules).await.result();
    assert_eq!(set, server.get(&format!("{SCRIPT}/schedules")).await.result());
    assert_eq!(set["schedules"].as_array().unwrap().len(), 2);
    for body in [json!({}), json!([{ "cron": "x" }]), json!([{}]), json!([{ "cron": "0 0 31 2 *" }])] {
        server.call(Method::PUT, &format!("{SCRIPT}/schedules"), body).await.error(400, 20000);
    }
    let routes = json!([{ "pattern": "app.example.test/*", "zone_name": "example.test" }, "b.example.test/x"]);
    server.call(Method::PUT, &format!("{SCRIPT}/routes"), routes.clone()).await.result();
    server.call(Method::PUT, "/workers/scripts/v/routes", routes).await.error(409, 20003);
    server.call(Method::PUT, &format!("{SCRIPT}/routes"), json!([{ "pattern": "a b/*" }])).await.error(400, 20000);

    let auth = format!("Bearer {}", server.token);
    let zones = server
        .send(Method::GET, "/zones?name=example.test&account.id=local", &[("authorization", &auth)], "")
        .await
        .result();
    let path = format!("/zones/{}/workers/routes", zones[0]["id"].as_str().unwrap());
    let in_zone = server.send(Method::GET, &path, &[("authorization", &auth)], "").await.result();
    assert_eq!(in_zone.as_array().unwrap().len(), 2);
    server.send(Method::GET, "/zones/x/workers/routes", &[("authorization", &auth)], "").await.error(404, 7003);

    let domains = json!({ "override_scope": true, "origins": [{ "hostname": "Shop.example.test" }] });
    let preview = server
        .call(
            Method::POST,
            &format!("{SCRIPT}/domains/changeset?replace_state=true"),
            json!([{ "hostname": "shop.example.test" }]),
        )
        .await
        .result();
    assert_eq!(preview["added"].as_array().unwrap().len(), 1);
    server.call(Method::PUT, &format!("{SCRIPT}/domains/records"), domains.clone()).await.result();
    let listed = server.get("/workers/domains").await.result();
    assert_eq!(listed[0]["hostname"], "shop.example.test");
    assert_eq!(listed[0]["service"], "w");
    server.call(Method::PUT, "/workers/scripts/v/domains/records", domains.clone()).await.error(409, 20003);
    let preview = server
        .call(Method::POST, "/workers/scripts/v/domains/changeset", json!([{ "hostname": "shop.example.test" }]))
        .await
        .result();
    assert_eq!(preview["updated"].as_array().unwrap().len(), 1);
    let mut by_force = domains;
    by_force["override_existing_origin"] = true.into();
    server.call(Method::PUT, "/workers/scripts/v/domains/records", by_force).await.result();
    server
        .call(Method::PUT, &format!("{SCRIPT}/domains/records"), json!({ "origins": [{ "hostname": "*.x" }] }))
        .await
        .error(400, 20000);
}

#[tokio::test]
async fn a_binding_to_a_worker_needs_the_worker_and_its_entrypoint() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    let bind = |service: &str, entrypoint: Option<&str>| json!({ "bindings": [{ "name": "W", "type": "service", "service": service, "entrypoint": entrypoint, "props": { "a": 1 } }] });
    server.deploy("caller", bind("w", None)).await.result();
    server.deploy("caller", bind("w", Some("Admin"))).await.result();
    server.deploy("caller", bind("caller", Some("Admin"))).await.result();
    let message = server.deploy("caller", bind("nobody", None)).await.error(400, 10021);
    assert!(message.contains("\"nobody\", which does not exist"), "{message}");
    for service in ["w", "caller"] {
        let message = server.deploy("caller", bind(service, Some("Boss"))).await.error(400, 10021);
        assert!(message.contains("\"Boss\"") && message.contains("it exports Admin, default"), "{message}");
    }
}

#[tokio::test]
async fn a_worker_that_is_called_is_not_deleted_by_accident() {
    let server = Server::start().await;
    server.deploy("w", json!({})).await.result();
    server.deploy("caller", json!({ "bindings": [{ "name": "W", "type": "service", "service": "w" }] })).await.result();
    let references = server.get(&format!("{SCRIPT}/references")).await.result();
    assert_eq!(references["services"]["incoming"][0]["service"], "caller");
    assert_eq!(references["services"]["outgoing"], json!([]));
    assert_eq!(server.get("/workers/tails/by-consumer/w").await.result(), json!([]));
    let message = server.call(Method::DELETE, SCRIPT, Value::Null).await.error(409, 20003);
    assert!(message.contains("Worker \"caller\""), "{message}");
    server.call(Method::DELETE, "/workers/services/w?force=maybe", Value::Null).await.error(400, 20000);
    server.call(Method::DELETE, "/workers/services/w?force=true", Value::Null).await.result();
    assert_eq!(server.get("/storage/kv/namespaces?per_page=100&page=1").await.result(), json!([]));
    assert_eq!(server.get("/workers/scripts").await.result().as_array().unwrap().len(), 1);
}
