//! The command line: what it prints and what it ends with.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use crate::harness::{Edge, Process, culvert, wait_for};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_reads_well_and_wrong_usage_is_2() {
    let help = culvert().arg("--help").output().unwrap();
    assert!(help.status.success());
    for command in ["demo", "serve", "connect", "deploy", "vpc", "tunnel", "explain"] {
        assert!(text(&help.stdout).contains(command), "{command}");
    }
    assert_eq!(culvert().arg("no-such-command").output().unwrap().status.code(), Some(2));
    assert_eq!(culvert().args(["serve"]).output().unwrap().status.code(), Some(2));
    let no_token = culvert().args(["tunnel", "list"]).output().unwrap();
    assert_eq!(no_token.status.code(), Some(2));
    assert!(text(&no_token.stderr).contains("--api-token"));
}

#[test]
fn no_edge_is_told_in_one_sentence() {
    let output =
        culvert().args(["tunnel", "list", "--api", "http://127.0.0.1:9", "--api-token", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Is `culvert serve` running there?"), "{}", text(&output.stderr));
}

#[test]
fn services_are_listed_shown_changed_and_deleted() {
    let edge = Edge::start();
    assert!(text(&edge.run(&["vpc", "service", "list"]).stdout).contains("No VPC Services found"));
    let tunnel = edge.json(&["tunnel", "create", "warehouse"])["id"].as_str().unwrap().to_owned();
    let create = [
        "vpc",
        "service",
        "create",
        "inventory",
        "--type",
        "http",
        "--tunnel-id",
        &tunnel,
        "--ipv4",
        "10.0.0.5",
        "--http-port",
        "8080",
    ];
    let created = edge.run(&create);
    assert!(created.status.success(), "{}", text(&created.stderr));
    assert!(text(&created.stdout).contains("Created VPC Service"));
    let listed = text(&edge.run(&["vpc", "service", "list"]).stdout);
    for cell in ["inventory", "HTTP:8080", "10.0.0.5", &tunnel] {
        assert!(listed.contains(cell), "{cell}: {listed}");
    }
    let id = edge.json(&["vpc", "service", "list"])[0]["service_id"].as_str().unwrap().to_owned();
    let update = [
        "vpc",
        "service",
        "update",
        &id,
        "--name",
        "stock",
        "--type",
        "http",
        "--tunnel-id",
        &tunnel,
        "--hostname",
        "stock.internal",
    ];
    assert_eq!(edge.json(&update)["host"]["hostname"], "stock.internal");
    assert_eq!(edge.json(&["vpc", "service", "get", &id])["name"], "stock");
    assert!(edge.run(&["vpc", "service", "delete", &id]).status.success());
    assert_eq!(edge.run(&["vpc", "service", "get", &id]).status.code(), Some(1));
}

#[test]
fn tunnels_are_made_listed_and_deleted_by_name() {
    let edge = Edge::start();
    let created = edge.run(&["tunnel", "create", "warehouse"]);
    assert!(text(&created.stdout).contains("culvert connect"), "{}", text(&created.stdout));
    assert_eq!(edge.run(&["tunnel", "create", "warehouse"]).status.code(), Some(1), "the name is taken");
    assert!(text(&edge.run(&["tunnel", "list"]).stdout).contains("warehouse"));
    let token = edge.json(&["tunnel", "token", "warehouse"])["token"].as_str().unwrap().to_owned();
    assert!(token.len() > 100);
    assert!(edge.run(&["tunnel", "delete", "warehouse"]).status.success());
    assert!(text(&edge.run(&["tunnel", "list"]).stdout).contains("No tunnels found"));
    let gone = edge.run(&["tunnel", "token", "warehouse"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("warehouse"));
}

#[test]
fn a_connector_with_a_wrong_token_says_so() {
    let edge = Edge::start();
    let output = culvert()
        .args(["connect", "--token", "not-a-token", "--edge", &edge.addresses.tunnel.to_string(), "--ca"])
        .arg(edge.data().join("tunnel-ca.pem"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("token"), "{}", text(&output.stderr));
}

#[test]
fn explain_prints_meaning_causes_and_fix() {
    let output = culvert().args(["explain", "ProxyError: dns_error"]).output().unwrap();
    let printed = text(&output.stdout);
    assert!(
        printed.contains("Bad Upstream") && printed.contains("Client") && printed.contains("What to do"),
        "{printed}"
    );
    assert!(printed.contains("Causes:\n    - The host name is misspelt.\n"), "{printed}");
    assert_eq!(culvert().args(["explain", "nonsense"]).output().unwrap().status.code(), Some(1));
    let all = culvert().args(["explain", "--json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&all.stdout).unwrap().len(), 23);
}

#[test]
fn a_directory_without_a_worker_is_told_what_is_missing() {
    let edge = Edge::start();
    let empty = tempfile::tempdir().unwrap();
    let output = edge.run(&["deploy", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("wrangler.jsonc"), "{}", text(&output.stderr));
}

#[test]
fn secrets_in_the_data_directory_are_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let edge = Edge::start();
    let mode = std::fs::metadata(edge.data().join("admin-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log = edge.log();
    let token = std::fs::read_to_string(edge.data().join("admin-token")).unwrap();
    assert!(!log.contains(token.trim()), "the token is in the log");
}

#[test]
fn logs_show_what_happened_and_take_filters() {
    let edge = Edge::start();
    edge.deploy_module("talks", "export default { fetch(request) { console.log('asked for', new URL(request.url).pathname); return new Response('x'); } };");
    edge.get("talks", "/one");
    edge.get("talks", "/two");
    edge.fact("/workers/invocations?worker=talks&text=two", |_| true);
    let printed = text(&edge.run(&["logs", "--worker", "talks"]).stdout);
    assert!(printed.contains("asked for") && printed.contains("/one") && printed.contains("/two"), "{printed}");
    assert!(printed.find("/two") < printed.find("/one"), "newest first: {printed}");
    let one = text(&edge.run(&["logs", "--worker", "talks", "--text", "/one", "--json"]).stdout);
    let records: Vec<serde_json::Value> = one.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 1, "{one}");
    // The newest first, page by page.
    let page = edge.run(&["logs", "--worker", "talks", "--limit", "1"]);
    assert!(text(&page.stdout).contains("/two") && !text(&page.stdout).contains("/one"), "{}", text(&page.stdout));
    let more = text(&page.stderr);
    let cursor = more.trim().rsplit(' ').next().unwrap();
    let rest = edge.run(&["logs", "--worker", "talks", "--cursor", cursor]);
    assert!(text(&rest.stdout).contains("/one") && !text(&rest.stdout).contains("/two"), "{}", text(&rest.stdout));
    assert_eq!(text(&rest.stderr), "");
    let wrong = edge.run(&["logs", "--outcome", "nonsense"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("outcome"), "{}", text(&wrong.stderr));
}

#[test]
fn a_token_does_what_it_may_until_it_is_revoked() {
    let edge = Edge::start();
    let created = edge.json(&["token", "create", "reader", "--permission", "workers-scripts.read"]);
    let find = |name: &str| created[name].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{name}: {created}"));
    let (id, token) = (find("id"), find("value"));
    assert!(edge.run(&["logs", "--api-token", &token]).status.success());
    let refused = edge.run(&["tunnel", "create", "x", "--api-token", &token]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("Tunnel"), "the missing permission is named: {}", text(&refused.stderr));
    assert!(text(&edge.run(&["token", "list"]).stdout).contains("reader"));
    edge.json(&["token", "revoke", &id]);
    assert_eq!(edge.run(&["logs", "--api-token", &token]).status.code(), Some(1));
}

#[test]
fn a_backup_of_a_running_edge_is_an_edge() {
    let edge = Edge::start();
    edge.deploy_module("shop", "export default { fetch: () => new Response('kept') };");
    let restored = tempfile::tempdir().unwrap();
    let data = restored.path().join("data");
    fs::create_dir(&data).unwrap();
    let backup = data.join("culvert.db");
    let made = culvert().args(["backup", "--data-dir"]).arg(edge.data()).arg(&backup).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("store.key"), "{}", text(&made.stdout));
    let again = culvert().args(["backup", "--data-dir"]).arg(edge.data()).arg(&backup).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("culvert.db"), "{}", text(&again.stderr));
    edge.deploy_module("shop", "export default { fetch: () => new Response('later') };");
    fs::copy(edge.data().join("store.key"), data.join("store.key")).unwrap();
    let restored = Edge::start_in(restored, &[]);
    assert_eq!(restored.get("shop", "/").text(), "kept");
}

#[test]
fn the_key_for_secrets_is_taken_from_where_it_is_said_to_be() {
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    fs::write(&key, "c1".repeat(32)).unwrap();
    let edge = Edge::start_with(&["--secrets-key-file", key.to_str().unwrap()]);
    assert!(!edge.data().join("store.key").exists());
    edge.process.signal("-TERM");
    let Edge { directory, mut process, .. } = edge;
    assert!(process.0.wait().unwrap().success());
    let serve = |key: Option<String>| {
        let mut command = culvert();
        command.args(["serve", "--data-dir"]).arg(directory.path().join("data"));
        command.args(["--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--tunnel", "127.0.0.1:0"]);
        if let Some(key) = key {
            command.env("CULVERT_SECRETS_KEY", key);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Process(command.spawn().unwrap())
    };
    for (key, said) in
        [(None, "store.key is missing"), (Some("c2".repeat(32)), "not the one"), (Some("x".to_owned()), "64")]
    {
        let mut refused = serve(key);
        assert_eq!(refused.0.wait().unwrap().code(), Some(1));
        let mut told = String::new();
        refused.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains(said), "{told}");
    }
    let _serving = serve(Some("c1".repeat(32)));
    let listening = directory.path().join("data/addresses.json");
    wait_for("an edge with the key in its environment", || listening.exists().then_some(()));
}

/// Every file below a directory that has one of these in it.
fn files_with(directory: &std::path::Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, secrets));
            continue;
        }
        let content = fs::read(&path).unwrap();
        let holds = |secret: &&&str| content.windows(secret.len()).any(|window| window == secret.as_bytes());
        found.extend(secrets.iter().filter(holds).map(|secret| format!("{}: {secret}", path.display())));
    }
    found
}

#[test]
fn secrets_are_neither_kept_nor_told_nor_logged_in_the_open() {
    let edge = Edge::start();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["client.internal".to_owned()]).unwrap().self_signed(&key);
    let (certificate, key) = (certificate.unwrap().pem(), key.serialize_pem());
    edge.deploy_module("shop", "export default { fetch: (request, env) => new Response(env.KEY) };");
    let secret = "a-secret-of-the-worker";
    edge.put("/workers/scripts/shop/secrets", &serde_json::json!({ "name": "KEY", "text": secret }));
    assert_eq!(edge.get("shop", "/").text(), secret);
    let tunnel = edge.json(&["tunnel", "create", "warehouse"])["id"].as_str().unwrap().to_owned();
    let token = edge.json(&["tunnel", "token", &tunnel])["token"].as_str().unwrap().to_owned();
    edge.post(
        "/mtls_certificates",
        &serde_json::json!({ "name": "client", "ca": false, "certificates": certificate, "private_key": key }),
    );
    let body = key.lines().nth(1).unwrap();
    let own = edge.token();
    let secrets = [secret, &token, body, &own];
    // The administrator's token is there to be read, by its owner.
    let known = format!("{}: {own}", edge.data().join("admin-token").display());
    let found: Vec<String> =
        files_with(edge.directory.path(), &secrets).into_iter().filter(|it| *it != known).collect();
    assert!(found.is_empty(), "{found:?}");
    // Nor do those see it who may read everything.
    for path in [
        "/workers/scripts/shop/secrets",
        "/workers/scripts/shop/settings",
        "/workers/scripts/shop/versions",
        "/mtls_certificates",
        "/cfd_tunnel",
        "/tokens",
        "/audit_logs?limit=1000",
    ] {
        let told = edge.api(path).to_string();
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "{path}: {told}");
    }
}
