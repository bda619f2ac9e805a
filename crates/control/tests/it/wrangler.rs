//! Stock wrangler against the API. Needs `CULVERT_WRANGLER`, the path of a wrangler program; skipped without it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::harness::Server;

struct Wrangler<'a> {
    program: PathBuf,
    server: &'a Server,
    project: &'a Path,
    token: String,
}

struct Ended {
    code: Option<i32>,
    text: String,
}

impl Wrangler<'_> {
    async fn run(&self, arguments: &str) -> Ended {
        self.run_with(arguments, "").await
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.project)
            .env("CLOUDFLARE_API_BASE_URL", format!("http://{}{}", self.server.address, control::PREFIX))
            .env("CLOUDFLARE_API_TOKEN", &self.token)
            .env("CLOUDFLARE_ACCOUNT_ID", "local")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("NO_UPDATE_NOTIFIER", "1")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("CI", "1")
            .env("HOME", self.project)
            .env("NO_COLOR", "1");
        command
    }

    async fn run_with(&self, arguments: &str, input: &str) -> Ended {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("wrangler {arguments} did not end"))
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("$ wrangler {arguments}\n{text}\n→ {:?}\n", output.status.code());
        Ended { code: output.status.code(), text }
    }

    /// Runs a command that must succeed and print each of these.
    async fn good(&self, arguments: &str, expected: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "wrangler {arguments}: {}", ended.text);
        for words in expected {
            assert!(ended.text.contains(words), "wrangler {arguments} does not say {words:?}: {}", ended.text);
        }
        ended.text
    }
}

fn uuid_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .find(|word| uuid::Uuid::parse_str(word).is_ok() && word.len() == 36)
        .unwrap_or_else(|| panic!("no UUID in {text}"))
        .to_owned()
}

/// `wrangler tail` prints an event that fits, and closes its session when it is told to stop.
async fn tail(wrangler: &Wrangler<'_>) {
    let server = wrangler.server;
    let mut child = wrangler
        .command("tail demo --format json --status error --method GET")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let sender = loop {
        if let Some((worker, sender)) = server.platform.tails.lock().unwrap().pop() {
            assert_eq!(worker, "demo");
            break sender;
        }
        assert!(child.try_wait().unwrap().is_none(), "wrangler tail ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let event = |outcome: &str| {
        Arc::new(json!({
            "outcome": outcome, "scriptName": "demo", "logs": [], "exceptions": [{ "name": "TypeError", "message": "boom", "timestamp": 1 }],
            "eventTimestamp": 1, "event": { "request": { "url": "http://h/x", "method": "GET", "headers": {} } },
        }))
    };
    sender.send(event("ok")).await.unwrap();
    sender.send(event("exception")).await.unwrap();
    let read = async {
        let mut text = String::new();
        while let Some(line) = output.next_line().await.unwrap() {
            text.push_str(&line);
            if line.contains("boom") {
                break;
            }
        }
        text
    };
    let text = tokio::time::timeout(Duration::from_secs(30), read).await.unwrap();
    println!("$ wrangler tail\n{text}\n");
    assert!(text.contains("exception") && !text.contains("\"ok\""), "{text}");
    child.kill().await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), sender.closed()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_wrangler_does_its_daily_work() {
    let Some(program) = std::env::var_os("CULVERT_WRANGLER").map(PathBuf::from) else {
        println!("skipped: CULVERT_WRANGLER does not name a wrangler program");
        return;
    };
    let server = Server::start().await;
    let project = tempfile::tempdir().unwrap();
    let wrangler = Wrangler { program, server: &server, project: project.path(), token: server.token.clone() };
    let write = |name: &str, text: &str| std::fs::write(project.path().join(name), text).unwrap();

    wrangler.good("whoami", &["admin@localhost", "Local", "local"]).await;

    let text = wrangler.good("tunnel create t1", &["t1"]).await;
    let tunnel = uuid_in(&text);
    wrangler.good("tunnel list", &["t1", &tunnel]).await;
    wrangler.good(&format!("tunnel info {tunnel}"), &["t1"]).await;
    let again = wrangler.run("tunnel create t1").await;
    assert_ne!(again.code, Some(0));

    let text = wrangler
        .good(
            &format!("vpc service create api --type http --ipv4 10.0.0.5 --http-port 8080 --tunnel-id {tunnel}"),
            &["Created VPC service"],
        )
        .await;
    let service = uuid_in(text.split("Created VPC service").nth(1).unwrap());
    wrangler
        .good(
            &format!("vpc service create pg --type tcp --tcp-port 5432 --app-protocol postgresql --hostname db.internal --resolver-ips 10.0.0.2 --tunnel-id {tunnel}"),
            &["Created VPC service", "db.internal"],
        )
        .await;
    wrangler.good("vpc service list", &[&service, "HTTP:8080", "TCP:5432 (postgresql)", "db.internal"]).await;
    wrangler.good(&format!("vpc service get {service}"), &["api", "10.0.0.5"]).await;
    wrangler
        .good(
            &format!("vpc service update {service} --name api --type http --hostname web.internal --tunnel-id {tunnel} --cert-verification-mode verify_ca"),
            &["web.internal"],
        )
        .await;
    let unknown = wrangler
        .run("vpc service create x --type http --ipv4 10.0.0.5 --tunnel-id 00000000-0000-4000-8000-000000000000")
        .await;
    assert_ne!(unknown.code, Some(0));
    assert!(unknown.text.contains("does not exist"), "{}", unknown.text);

    write("index.js", "import note from './note.txt'; export default { fetch() { return new Response(note) } }");
    write("note.txt", "hello");
    let config = json!({
        "name": "demo", "main": "index.js", "compatibility_date": "2025-09-01",
        "vars": { "GREETING": "hello", "CFG": { "a": 1 } },
        "vpc_services": [{ "binding": "API", "service_id": service, "remote": true }],
        "vpc_networks": [{ "binding": "NET", "tunnel_id": tunnel, "remote": true }],
        "services": [{ "binding": "SELF", "service": "demo" }],
        "limits": { "cpu_ms": 50 },
        "observability": { "enabled": true },
        "routes": [{ "pattern": "app.example.test/*", "zone_name": "example.test" },
                   { "pattern": "shop.example.test", "custom_domain": true }],
        "triggers": { "crons": ["*/5 * * * *"] },
        "workers_dev": true,
    });
    write("wrangler.json", &config.to_string());
    wrangler.good("deploy", &["Uploaded demo", "app.example.test/*", "shop.example.test", "*/5 * * * *"]).await;
    wrangler.good("deploy --message second --tag v2", &["Uploaded demo"]).await;
    wrangler.good("deployments list", &["second"]).await;
    wrangler.good("deployments status", &["100%"]).await;
    wrangler.good("versions list", &["v2", "second"]).await;

    tail(&wrangler).await;

    let put = wrangler.run_with("secret put API_KEY", "s3cr3t\n").await;
    assert_eq!(put.code, Some(0), "{}", put.text);
    wrangler.good("secret list", &["API_KEY", "secret_text"]).await;
    write("secrets.json", r#"{"A":"1","B":"2"}"#);
    wrangler.good("secret bulk secrets.json", &["2 secrets successfully uploaded"]).await;
    wrangler.good("deploy", &["Uploaded demo"]).await;
    let listed = wrangler.good("secret list", &["API_KEY", "\"A\"", "\"B\""]).await;
    assert!(!listed.contains("s3cr3t"));
    wrangler.good("secret delete A", &["Success"]).await;

    let text = wrangler.good("versions upload --tag v3 --message third", &["Version ID"]).await;
    let version = uuid_in(text.split("Version ID").nth(1).unwrap());
    wrangler.good(&format!("versions view {version}"), &["v3", "API_KEY"]).await;
    let put = wrangler.run_with("versions secret put C", "ccc\n").await;
    assert_eq!(put.code, Some(0), "{}", put.text);
    wrangler.good("versions secret list", &["API_KEY"]).await;
    wrangler.good(&format!("versions deploy {version}@100% --yes"), &["100%"]).await;
    wrangler.good("rollback --yes --message back", &[]).await;

    write(
        "wrangler.json",
        &json!({
            "name": "demo", "main": "index.js", "compatibility_date": "2025-09-01",
            "kv_namespaces": [{ "binding": "CACHE", "id": "0123456789abcdef0123456789abcdef" }],
        })
        .to_string(),
    );
    let refused = wrangler.run("deploy").await;
    assert_ne!(refused.code, Some(0));
    assert!(refused.text.contains("CACHE") && refused.text.contains("not available in Culvert"), "{}", refused.text);
    write("wrangler.json", &config.to_string());

    let in_use = wrangler.run(&format!("vpc service delete {service}")).await;
    assert_ne!(in_use.code, Some(0));
    assert!(in_use.text.contains("demo"), "{}", in_use.text);
    wrangler.good("delete --force", &["Successfully deleted demo"]).await;
    wrangler.good(&format!("vpc service delete {service}"), &["Deleted"]).await;
    let in_use = wrangler.run("tunnel delete t1 --force").await;
    assert!(in_use.code != Some(0) && in_use.text.contains("pg"), "{}", in_use.text);
    let listed = server.get("/connectivity/directory/services").await.result();
    wrangler.good(&format!("vpc service delete {}", listed[0]["service_id"].as_str().unwrap()), &["Deleted"]).await;
    wrangler.good("vpc service list", &["No VPC services found"]).await;
    wrangler.good("tunnel delete t1 --force", &["t1"]).await;

    let wrong = Wrangler { token: "cvt_wrong".to_owned(), ..wrangler };
    for arguments in ["whoami", "deploy", "vpc service list", "tunnel list", "secret list --name demo"] {
        let ended = wrong.run(arguments).await;
        println!("{arguments} with a wrong token: {:?}", ended.code);
        assert!(!ended.text.contains("    at "), "a stack trace: {}", ended.text);
    }
}
