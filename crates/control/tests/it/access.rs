//! Who may call what: tokens, permissions, accounts, the audit log.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use store::Permission;

use crate::harness::{Form, Server};

#[tokio::test]
async fn a_request_needs_a_valid_token() {
    let server = Server::start().await;
    let verify = |headers: &'static [(&'static str, &'static str)]| {
        let server = &server;
        async move { server.send(Method::GET, "/user/tokens/verify", headers, "").await }
    };
    let missing = verify(&[]).await;
    missing.error(401, 9106);
    assert_eq!(missing.headers["www-authenticate"], "Bearer");
    let message = verify(&[("x-auth-key", "k"), ("x-auth-email", "e")]).await.error(401, 9106);
    assert!(message.contains("API token"), "{message}");
    for header in ["Basic abc", "Bearer", "Bearer ", "cvt_x", "\u{80}"] {
        let answer = server.send(Method::GET, "/user/tokens/verify", &[("authorization", header)], "").await;
        answer.error(401, 6003);
    }
    verify(&[("authorization", "Bearer cvt_wrong")]).await.error(401, 9109);
    let good = format!("bearer {}", server.token);
    let answer = server.send(Method::GET, "/user/tokens/verify", &[("authorization", &good)], "").await;
    assert_eq!(answer.result()["status"], "active");
}

#[tokio::test]
async fn guessing_is_slowed_down_and_a_good_token_still_works() {
    let server = Server::start().await;
    let guess = || server.call_as("cvt_guess", Method::GET, "/workers/scripts", Value::Null);
    server.get("/workers/scripts").await.result();
    for _ in 0..5 {
        let told = guess().await.error(401, 9109);
        assert!(told.contains("culvert token create"), "{told}");
    }
    // From here on each costs more; after sixty of them they are not looked at.
    futures_util::future::join_all((0..60).map(|_| guess())).await;
    let guesses = futures_util::future::join_all((0..300).map(|_| guess()));
    let good = async {
        for _ in 0..20 {
            server.get("/workers/scripts").await.result();
        }
    };
    let started = std::time::Instant::now();
    let (answers, ()) = tokio::join!(guesses, good);
    let refused: Vec<_> = answers.iter().filter(|a| a.status == StatusCode::TOO_MANY_REQUESTS).collect();
    // One in a second is looked at, and answered late.
    let looked_at = answers.len() - refused.len();
    assert!(looked_at as u64 <= 1 + started.elapsed().as_secs(), "{looked_at} in {:?}", started.elapsed());
    for answer in refused {
        answer.error(429, 20008);
        assert_eq!(answer.headers["retry-after"], "60");
    }
    server.get("/workers/scripts").await.result();
    // A token that was not shown here before waits with them.
    let fresh = server.token_with("fresh", &[Permission::WorkersScriptsRead]).await;
    let mut answer = server.call_as(&fresh, Method::GET, "/workers/scripts", Value::Null).await;
    while answer.status == StatusCode::TOO_MANY_REQUESTS {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = server.call_as(&fresh, Method::GET, "/workers/scripts", Value::Null).await;
    }
    answer.result();
}

#[tokio::test]
async fn the_account_is_known_by_two_names() {
    let server = Server::start().await;
    let auth = format!("Bearer {}", server.token);
    let list = |account: String| {
        let (server, auth) = (&server, &auth);
        async move {
            let path = format!("/accounts/{account}/workers/scripts");
            server.send(Method::GET, &path, &[("authorization", auth)], "").await
        }
    };
    list("local".to_owned()).await.result();
    list(server.store.account().id.to_string()).await.result();
    let message = list("other".to_owned()).await.error(404, 7003);
    assert!(message.contains("\"local\""), "{message}");

    let accounts = server.send(Method::GET, "/accounts?page=1", &[("authorization", &auth)], "").await;
    assert_eq!(accounts.result()[0]["id"], "local");
    assert_eq!(accounts.json()["result_info"]["total_count"], 1);
    let members = server.send(Method::GET, "/memberships", &[("authorization", &auth)], "").await;
    assert_eq!(members.result()[0]["account"]["id"], "local");
    let user = server.send(Method::GET, "/user", &[("authorization", &auth)], "").await;
    assert_eq!(user.result()["email"], "admin@localhost");
}

#[tokio::test]
async fn each_route_names_the_permission_that_is_missing() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let token = server.token_with("reader", &[Permission::WorkersScriptsRead]).await;
    server.call_as(&token, Method::GET, "/workers/scripts", Value::Null).await.result();
    for (method, path, label) in [
        (Method::DELETE, "/workers/scripts/x".to_owned(), "Workers Scripts Edit"),
        (Method::GET, "/connectivity/directory/services".to_owned(), "Connectivity Directory Read"),
        (Method::POST, "/connectivity/directory/services".to_owned(), "Connectivity Directory Admin"),
        (Method::GET, "/cfd_tunnel".to_owned(), "Cloudflare Tunnel Read"),
        (Method::GET, format!("/cfd_tunnel/{tunnel}/token"), "Cloudflare Tunnel Edit"),
        (Method::GET, "/tokens".to_owned(), "API Tokens Edit"),
        (Method::GET, "/audit_logs".to_owned(), "API Tokens Edit"),
        (Method::GET, String::new(), "Account Settings Read"),
        (Method::GET, "/connectivity/events".to_owned(), "Connectivity Directory Read"),
    ] {
        let message = server.call_as(&token, method, &path, Value::Null).await.error(403, 20007);
        assert!(message.contains(label) && message.contains("\"reader\""), "{path}: {message}");
    }
}

#[tokio::test]
async fn binding_needs_bind_for_a_service_and_admin_for_a_tunnel() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let service = server.service("api", &tunnel).await;
    let to_service = json!({ "bindings": [{ "name": "API", "type": "vpc_service", "service_id": service }] });
    let to_tunnel = json!({ "bindings": [{ "name": "NET", "type": "vpc_network", "tunnel_id": tunnel }] });
    let to_all = json!({ "bindings": [{ "name": "NET", "type": "vpc_network", "network_id": "cf1:network" }] });
    let edit = Permission::WorkersScriptsEdit;
    let plain = server.token_with("plain", &[edit]).await;
    let bind = server.token_with("bind", &[edit, Permission::ConnectivityDirectoryBind]).await;
    let admin = server.token_with("adm", &[edit, Permission::ConnectivityDirectoryAdmin]).await;
    let put = |token: String, metadata: Value| {
        let server = &server;
        async move { server.upload_as(&token, Method::PUT, "/workers/scripts/w", &Form::worker(metadata)).await }
    };
    let message = put(plain.clone(), to_service.clone()).await.error(403, 20007);
    assert!(message.contains("Connectivity Directory Bind") && message.contains("API"), "{message}");
    put(plain.clone(), to_all.clone()).await.error(403, 20007);
    put(bind.clone(), to_service).await.result();
    put(bind.clone(), to_all).await.result();
    let message = put(bind, to_tunnel.clone()).await.error(403, 20007);
    assert!(message.contains("Connectivity Directory Admin"), "{message}");
    put(admin.clone(), to_tunnel).await.result();
    // Nor may other code have it in any of the ways in which an upload takes a binding over.
    for taken_over in [
        json!({ "bindings": [{ "name": "NET", "type": "vpc_network" }] }),
        json!({ "bindings": [{ "name": "NET", "type": "inherit" }] }),
        json!({ "bindings": [{ "name": "OTHER", "type": "inherit", "old_name": "NET" }] }),
        json!({ "keep_bindings": ["vpc_network"] }),
    ] {
        let message = put(plain.clone(), taken_over.clone()).await.error(403, 20007);
        assert!(message.contains("Connectivity Directory Admin"), "{taken_over}: {message}");
        let form = Form::worker(taken_over.clone());
        let later = server.upload_as(&plain, Method::POST, "/workers/scripts/w/versions", &form).await;
        later.error(403, 20007);
        put(admin.clone(), json!({ "bindings": [{ "name": "NET", "type": "vpc_network" }] })).await.result();
    }
    // Whoever may edit scripts may set a secret of what another one bound: the code stays. Under another name it may not be had.
    let secret = json!({ "name": "KEY", "text": "x", "type": "secret_text" });
    server.call_as(&plain, Method::PUT, "/workers/scripts/w/secrets", secret).await.result();
    let renamed = json!({ "bindings": [{ "name": "OTHER", "type": "inherit", "old_name": "NET" }] });
    server.call_as(&plain, Method::PATCH, "/workers/scripts/w/settings", renamed).await.error(403, 20007);
}

#[tokio::test]
async fn bringing_a_binding_back_is_binding_it() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let edit = Permission::WorkersScriptsEdit;
    let plain = server.token_with("plain", &[edit]).await;
    let admin = server.token_with("adm", &[edit, Permission::ConnectivityDirectoryAdmin]).await;
    let upload = async |metadata: Value| {
        let form = Form::worker(metadata);
        server.upload_as(&admin, Method::PUT, "/workers/scripts/w", &form).await.result();
        let deployments = server.call(Method::GET, "/workers/scripts/w/deployments", Value::Null).await.result();
        deployments["deployments"][0]["versions"][0]["version_id"].clone()
    };
    let deploy = async |token: &str, version: &Value| {
        let versions = json!([{ "version_id": version, "percentage": 100 }]);
        let body = json!({ "strategy": "percentage", "versions": versions });
        server.call_as(token, Method::POST, "/workers/scripts/w/deployments", body).await
    };
    let bound = upload(json!({ "bindings": [{ "name": "NET", "type": "vpc_network", "tunnel_id": tunnel }] })).await;
    let still = upload(json!({ "bindings": [{ "name": "NET", "type": "vpc_network", "tunnel_id": tunnel }] })).await;
    // What is bound already stays bound.
    deploy(&plain, &bound).await.result();
    let free = upload(json!({})).await;
    let message = deploy(&plain, &still).await.error(403, 20007);
    assert!(message.contains("Connectivity Directory Admin") && message.contains("NET"), "{message}");
    deploy(&admin, &still).await.result();
    deploy(&plain, &free).await.result();
}

fn all_permissions() -> Value {
    Permission::ALL.iter().map(|permission| permission.key()).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let server = Server::start().await;
    let made = server
        .call(
            Method::POST,
            "/tokens",
            json!({
                "name": "ci", "permissions": ["workers-scripts.edit", "Workers Tail Read"],
                "expires_on": "2099-01-01T00:00:00Z",
            }),
        )
        .await
        .result();
    let value = made["value"].as_str().unwrap();
    assert_eq!(made["permissions"], json!(["workers-scripts.edit", "workers-tail.read"]));
    server.call_as(value, Method::GET, "/workers/scripts", Value::Null).await.result();
    let listed = server.get("/tokens").await;
    assert_eq!(listed.result().as_array().unwrap().len(), 2);
    assert!(!String::from_utf8_lossy(&listed.body).contains(value));
    let path = format!("/tokens/{}", made["id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.result();
    let message = server.call_as(value, Method::GET, "/workers/scripts", Value::Null).await.error(401, 9109);
    assert!(message.contains("revoked"), "{message}");

    for (body, pointer) in [
        (json!({ "permissions": ["workers-scripts.edit"] }), "/name"),
        (json!({ "name": "x" }), "/permissions"),
        (json!({ "name": "x", "permissions": [] }), "/permissions"),
        (json!({ "name": "x", "permissions": ["root"] }), "/permissions/0"),
        (json!({ "name": "x", "permissions": ["api-tokens.edit"], "expires_on": "soon" }), "/expires_on"),
        (
            json!({ "name": "x", "permissions": ["api-tokens.edit"], "expires_on": "2001-01-01T00:00:00Z" }),
            "/expires_on",
        ),
    ] {
        let answer = server.call(Method::POST, "/tokens", body).await;
        answer.error(400, 20000);
        assert_eq!(answer.pointer(), pointer);
    }
    // Nobody gives more than they have.
    let limited = server.token_with("limited", &[Permission::ApiTokensEdit]).await;
    let more = json!({ "name": "x", "permissions": ["cloudflare-tunnel.edit"] });
    server.call_as(&limited, Method::POST, "/tokens", more).await.error(403, 20007);
    // And nobody takes from those who have more.
    let tokens = server.get("/tokens").await.result();
    let of = |name: &str| {
        let token = tokens.as_array().unwrap().iter().find(|token| token["name"] == name).unwrap();
        format!("/tokens/{}", token["id"].as_str().unwrap())
    };
    let (admin, own) = (of("admin"), of("limited"));
    let down = json!({ "name": "admin", "permissions": ["api-tokens.edit"] });
    for (method, path, body) in [
        (Method::PUT, admin.clone(), down.clone()),
        (Method::DELETE, admin.clone(), Value::Null),
        (Method::PUT, format!("{admin}/value"), Value::Null),
    ] {
        let message = server.call_as(&limited, method, &path, body).await.error(403, 20007);
        assert!(message.contains("a token that has it"), "{message}");
    }
    // The last one that may do everything stays, whoever asks.
    let ending = json!({ "name": "admin", "permissions": all_permissions(), "expires_on": "2099-01-01T00:00:00Z" });
    for (method, body) in [(Method::PUT, down), (Method::PUT, ending), (Method::DELETE, Value::Null)] {
        let message = server.call(method, &admin, body).await.error(409, 20003);
        assert!(message.contains("make another such token first"), "{message}");
    }
    let renamed = json!({ "name": "root", "permissions": all_permissions() });
    server.call(Method::PUT, &admin, renamed).await.result();
    server.call_as(&limited, Method::DELETE, &own, Value::Null).await.result();
    let second = json!({ "name": "second", "permissions": all_permissions() });
    server.call(Method::POST, "/tokens", second).await.result();
    server.call(Method::DELETE, "/tokens/x", Value::Null).await.error(404, 7003);
    let unknown = format!("/tokens/{}", uuid::Uuid::new_v4());
    server.call(Method::DELETE, &unknown, Value::Null).await.error(404, 20001);
    server.call(Method::DELETE, &admin, Value::Null).await.result();
}

#[tokio::test]
async fn the_audit_log_says_who_did_what() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    server.service("api", &tunnel).await;
    server
        .deploy("w", json!({ "bindings": [{ "name": "K", "type": "secret_text", "text": "hunter2" }] }))
        .await
        .result();
    let answer = server.get("/audit_logs?limit=2").await;
    let entries = answer.result();
    assert_eq!(entries[0]["action"], "deploy");
    assert_eq!(entries[0]["resource"], json!({ "type": "worker", "id": "w" }));
    assert_eq!(entries[0]["actor"]["name"], "admin");
    assert_eq!(entries[0]["actor"]["address"], "127.0.0.1");
    let cursor = answer.json()["result_info"]["cursor"].as_str().unwrap().to_owned();
    let rest = server.get(&format!("/audit_logs?cursor={cursor}")).await;
    let actions: Vec<Value> = rest.result().as_array().unwrap().iter().map(|e| e["resource"]["type"].clone()).collect();
    assert_eq!(actions, ["secret", "service", "tunnel", "token"]);
    assert_eq!(rest.json()["result_info"]["cursor"], "");
    for answer in [answer, rest] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
    }
    server.get("/audit_logs?cursor=x").await.error(400, 20000);
    server.get("/audit_logs?limit=0").await.error(400, 20000);
}

#[tokio::test]
async fn a_change_is_logged_with_what_was_and_what_is() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let service = server.service("api", &tunnel).await;
    let newest = |resource: &'static str| {
        let server = &server;
        async move {
            let entry = server.get(&format!("/audit_logs?limit=1&resource={resource}")).await.result()[0].clone();
            assert!(entry["when"].is_string() && entry["actor"]["token_id"].is_string(), "{entry}");
            entry
        }
    };
    let path = format!("/connectivity/directory/services/{service}");
    let other = json!({ "name": "api", "type": "http", "http_port": 81,
                        "host": { "ipv4": "10.0.0.6", "network": { "tunnel_id": tunnel } } });
    server.call(Method::PUT, &path, other).await.result();
    let entry = newest("service").await;
    assert_eq!(entry["action"], "update");
    assert!(entry["before"].to_string().contains("10.0.0.5"), "{entry}");
    assert!(entry["after"].to_string().contains("10.0.0.6"), "{entry}");
    server.call(Method::DELETE, &path, Value::Null).await.result();
    let entry = newest("service").await;
    assert_eq!((&entry["action"], &entry["after"]), (&json!("delete"), &Value::Null));

    // Settings that come with an upload are a change of their own.
    server.deploy("w", json!({ "observability": { "enabled": false } })).await.result();
    server.deploy("w", json!({ "observability": { "enabled": true } })).await.result();
    let entries = server.get("/audit_logs?limit=2&resource=worker").await.result();
    assert_eq!((&entries[0]["action"], &entries[1]["action"]), (&json!("deploy"), &json!("update")));
    assert_eq!(entries[1]["before"]["observability"]["enabled"], false);
    assert_eq!(entries[1]["after"]["observability"]["enabled"], true);

    let secret = json!({ "name": "KEY", "text": "hunter2", "type": "secret_text" });
    server.call(Method::PUT, "/workers/scripts/w/secrets", secret).await.result();
    let entry = newest("version").await;
    assert_eq!(entry["after"]["detail"]["bindings"], json!([{ "name": "KEY", "type": "secret_text" }]));
    let entry = newest("secret").await;
    assert_eq!((&entry["action"], &entry["resource"]["id"]), (&json!("create"), &json!("w/KEY")));
    let secret = json!({ "name": "KEY", "text": "hunter2-2", "type": "secret_text" });
    server.call(Method::PUT, "/workers/scripts/w/secrets", secret.clone()).await.result();
    let entry = newest("secret").await;
    assert_eq!((&entry["action"], &entry["before"]["name"]), (&json!("update"), &json!("KEY")));
    let number = entry["id"].clone();
    server.call(Method::PUT, "/workers/scripts/w/secrets", secret).await.result();
    assert_eq!(newest("secret").await["id"], number, "the same text again is no change of it");
    let entry = newest("version").await;
    assert_eq!((&entry["before"]["number"], &entry["after"]["number"]), (&json!(4), &json!(5)));
    server.call(Method::DELETE, "/workers/scripts/w/secrets/KEY", Value::Null).await.result();
    let entry = newest("secret").await;
    assert_eq!((&entry["action"], &entry["after"]), (&json!("delete"), &Value::Null));

    // A domain that another Worker takes is missing at the one that had it.
    server.deploy("other", json!({})).await.result();
    let domains = |take_over: bool| {
        let origins = json!([{ "hostname": "a.example.test" }]);
        json!({ "origins": origins, "override_existing_origin": take_over })
    };
    server.call(Method::PUT, "/workers/scripts/w/domains/records", domains(false)).await.result();
    server.call(Method::PUT, "/workers/scripts/other/domains/records", domains(true)).await.result();
    let entries = server.get("/audit_logs?limit=2&resource=worker").await.result();
    let lost = entries.as_array().unwrap().iter().find(|entry| entry["resource"]["id"] == "w").unwrap().clone();
    assert_eq!(lost["before"]["domains"], json!(["a.example.test"]));
    assert_eq!(lost["after"], json!({ "domains": [], "domains_taken_by": "other" }));

    let deployments = server.get("/workers/scripts/w/deployments").await.result();
    let oldest = deployments["deployments"].as_array().unwrap().last().unwrap().clone();
    let path = format!("/workers/scripts/w/deployments/{}", oldest["id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.result();
    let entry = newest("deployment").await;
    assert_eq!(entry["before"]["versions"][0]["version_id"], oldest["versions"][0]["version_id"]);

    server.call(Method::PUT, "/workers/scripts/other/schedules", json!([{ "cron": "* * * * *" }])).await.result();
    server.call(Method::DELETE, "/workers/scripts/other", Value::Null).await.result();
    let entry = newest("worker").await;
    assert_eq!((&entry["action"], &entry["before"]["domains"]), (&json!("delete"), &json!(["a.example.test"])));
    assert_eq!(entry["before"]["schedules"], json!(["* * * * *"]));
    assert_eq!(entry["before"]["versions"][0]["number"], 1);
    assert_eq!(entry["before"]["deployment"]["versions"][0]["percentage"], 100.0);

    server.call(Method::DELETE, &format!("/cfd_tunnel/{tunnel}/connections"), Value::Null).await.result();
    let entry = newest("tunnel").await;
    assert_eq!((&entry["action"], &entry["before"]["connections"]), (&json!("cut"), &json!([])));
    let rotated = json!({ "name": "t2", "tunnel_secret": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA==" });
    server.call(Method::PATCH, &format!("/cfd_tunnel/{tunnel}"), rotated).await.result();
    let entry = newest("tunnel").await;
    assert_eq!((&entry["before"]["name"], &entry["after"]["name"]), (&json!("t"), &json!("t2")));
    let token = json!({ "name": "ci", "permissions": ["workers-scripts.edit"] });
    let made = server.call(Method::POST, "/tokens", token).await.result();
    server.call(Method::DELETE, &format!("/tokens/{}", made["id"].as_str().unwrap()), Value::Null).await.result();
    assert_eq!(newest("token").await["action"], "revoke");
    let all = server.get("/audit_logs?limit=1000").await;
    let all = String::from_utf8_lossy(&all.body).into_owned();
    for secret in ["hunter2", "c2VjcmV0", "secret-secret", made["value"].as_str().unwrap()] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_token_stops_when_it_expires_and_tells_when_it_was_used() {
    let server = Server::start().await;
    let origin = format!("http://{}", server.address);
    let soon = time::OffsetDateTime::now_utc() + std::time::Duration::from_secs(2);
    let expires = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let body = json!({ "name": "short", "permissions": ["workers-scripts.read"], "expires_on": expires });
    let made = server.call(Method::POST, "/tokens", body).await.result();
    assert_eq!(made["last_used_on"], Value::Null);
    let value = made["value"].as_str().unwrap();
    // On a machine so busy that this takes two seconds, it has expired already.
    let early = server.call_as(value, Method::GET, "/workers/scripts", Value::Null).await;
    let signed_in =
        server.send(Method::POST, "/session", &[("origin", &origin)], json!({ "token": value }).to_string()).await;
    // Until the wall clock says so, and not for a guessed time.
    while time::OffsetDateTime::now_utc() < soon {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let message = server.call_as(value, Method::GET, "/workers/scripts", Value::Null).await.error(401, 9109);
    assert!(message.contains("expired at"), "{message}");
    let listed = server.get("/tokens").await.result();
    let shown = listed.as_array().unwrap().iter().find(|token| token["name"] == "short").unwrap();
    assert_eq!(shown["status"], "expired");
    if early.status == StatusCode::OK {
        assert!(shown["last_used_on"].is_string(), "{shown}");
    }
    // Its session has ended as well.
    if let Some(cookie) = signed_in.headers.get("set-cookie") {
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        server.send(Method::GET, "/session", &[("cookie", cookie)], "").await.error(401, 9109);
    }
}
