//! Stock wrangler against the built program: every command that a user of Workers and VPC Services has, its output, its
//! exit code, and what is served afterwards. `scripts/setup clients` installs the two versions, `make test-clients` runs this.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Edge, Process, cache, http_service, postgres, wait_for};

/// The last one for Node.js 20, and a recent one, which needs Node.js 22.
const OLD: &str = "4.86.0";
const NEW: &str = "4.164.0";

/// Adds two numbers: `(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))`.
const ADD_WASM: &[u8] = &[
    0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9,
    1, 7, 0, 32, 0, 32, 1, 106, 11,
];

const SHOP: &str = r#"
import note from "./note.txt";
import data from "./data.bin";
import add from "./add.wasm";
import { greeting } from "./lib/greeting.js";
import { createHash } from "node:crypto";

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new TypeError("boom");
    if (pathname === "/private") return env.API.fetch("http://private.internal/");
    console.log("at", pathname);
    const { exports } = await WebAssembly.instantiate(add, {});
    const { API, NET, ALL, GREETER, VERSION, ...rest } = env;
    return Response.json({
      release: RELEASE, note, data: [...new Uint8Array(data)], sum: exports.add(2, 3), greeting: greeting(env.NAME),
      env: rest, networks: [typeof NET?.connect, typeof ALL?.fetch],
      sha1: createHash("sha1").update("abc").digest("hex"), greeted: await GREETER?.greet(new Map([["name", env.NAME]])),
    });
  },
};
"#;

/// What others call by RPC.
const GREETER: &str = r#"
import { WorkerEntrypoint } from "cloudflare:workers";

export class Greeter extends WorkerEntrypoint {
  greet(who) { return { word: this.env.WORD, name: who.get("name"), loud: this.ctx.props.loud }; }
}

export default { fetch: () => new Response("the default export") };
"#;

/// A wrangler, an edge that it talks to, and a project that it works on.
struct Wrangler {
    program: PathBuf,
    edge: Edge,
    project: tempfile::TempDir,
    token: String,
}

/// What a command printed, and what it ended with.
struct Ended {
    code: Option<i32>,
    text: String,
}

impl Wrangler {
    /// Nothing where it is not installed.
    fn start(version: &str, options: &[&str]) -> Option<Self> {
        let home = cache().join(format!("wrangler-{version}"));
        let program = home.join("wrangler");
        if !program.exists() {
            println!("skipped: {} is not there (scripts/setup clients installs it)", program.display());
            return None;
        }
        let edge = Edge::start_with(options);
        let token = edge.token();
        Some(Wrangler { program, edge, project: tempfile::tempdir().unwrap(), token })
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words(arguments))
            .current_dir(self.project.path())
            .env("CLOUDFLARE_API_BASE_URL", format!("http://{}/client/v4", self.edge.addresses.api))
            .env("CLOUDFLARE_API_TOKEN", &self.token)
            .env("CLOUDFLARE_ACCOUNT_ID", "local")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("NO_UPDATE_NOTIFIER", "1")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("CI", "1")
            .env("HOME", self.project.path())
            // Half of a command's time is reading wrangler.
            .env("NODE_COMPILE_CACHE", cache().join("node-compile-cache"))
            .env("NO_COLOR", "1")
            .env("FORCE_COLOR", "0");
        command
    }

    /// Runs a command, with something to read on its standard input.
    fn run_with(&self, arguments: &str, input: &str) -> Ended {
        let given = self.project.path().join(".input");
        fs::write(&given, input).unwrap();
        let output = self.command(arguments).stdin(fs::File::open(&given).unwrap()).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("$ wrangler {arguments}\n{text}\n→ {:?}\n", output.status.code());
        Ended { code: output.status.code(), text }
    }

    /// Runs a command that must succeed and print each of these.
    #[track_caller]
    fn good(&self, arguments: &str, expected: &[&str]) -> String {
        self.good_with(arguments, "", expected)
    }

    #[track_caller]
    fn good_with(&self, arguments: &str, input: &str, expected: &[&str]) -> String {
        let Ended { code, text } = self.run_with(arguments, input);
        assert_eq!(code, Some(0), "wrangler {arguments}: {text}");
        for words in expected {
            assert!(text.contains(words), "wrangler {arguments} does not say {words:?}: {text}");
        }
        text
    }

    /// Runs a command that must fail with each of these, and without a stack trace.
    #[track_caller]
    fn bad(&self, arguments: &str, expected: &[&str]) {
        let Ended { code, text } = self.run_with(arguments, "");
        assert_eq!(code, Some(1), "wrangler {arguments}: {text}");
        for words in expected {
            assert!(text.contains(words), "wrangler {arguments} does not say {words:?}: {text}");
        }
        assert!(!text.contains("\n    at "), "a stack trace: {text}");
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.project.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn configure(&self, configuration: &Value) {
        self.write("wrangler.json", configuration.to_string());
    }

    /// What the Worker says of itself.
    #[track_caller]
    fn ask(&self, worker: &str) -> Value {
        let answer = self.edge.get(worker, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// Splits at spaces; what is in quotes stays whole.
fn words(arguments: &str) -> Vec<String> {
    arguments
        .split('"')
        .enumerate()
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[track_caller]
fn uuid_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .find(|word| word.len() == 36 && word.matches('-').count() == 4)
        .unwrap_or_else(|| panic!("no UUID in {text}"))
        .to_owned()
}

fn after<'a>(text: &'a str, words: &str) -> &'a str {
    text.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {text}")).1
}

/// What `wrangler tunnel run` runs; it goes with this.
struct Connector {
    _wrangler: Process,
    /// Where the connector noted its process id.
    pid: PathBuf,
}

impl Drop for Connector {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(&self.pid) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

/// `tunnel …`: the identifier of a tunnel that `wrangler tunnel run` has connected, and its connector.
fn tunnels(wrangler: &Wrangler) -> (String, Connector) {
    let text = wrangler.good("tunnel create warehouse", &["warehouse"]);
    let tunnel = uuid_in(&text);
    wrangler.good("tunnel create spare", &["spare"]);
    wrangler.bad("tunnel create spare", &["spare"]);
    wrangler.good("tunnel list", &["warehouse", "spare", &tunnel]);
    wrangler.good("tunnel delete spare --force", &["spare"]);
    let listed = wrangler.good("tunnel list", &["warehouse"]);
    assert!(!listed.contains("spare"), "{listed}");

    // What wrangler runs as cloudflared gets the token as cloudflared does.
    let connector = wrangler.project.path().join("connector");
    let edge = &wrangler.edge;
    let pid = wrangler.project.path().join("connector.pid");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = tunnel ] || exit 9\necho $$ > {}\nexec {} connect --edge {} --ca {}/tunnel-ca.pem\n",
        pid.display(),
        env!("CARGO_BIN_EXE_culvert"),
        edge.addresses.tunnel,
        edge.data().display()
    );
    fs::write(&connector, script).unwrap();
    fs::set_permissions(&connector, fs::Permissions::from_mode(0o755)).unwrap();
    let child = wrangler
        .command("tunnel run warehouse")
        .env("CLOUDFLARED_PATH", &connector)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Connector { _wrangler: Process(child), pid };
    edge.wait_for_connections(&tunnel, 4);
    wrangler.good("tunnel info warehouse", &["warehouse", &tunnel]);
    (tunnel, running)
}

/// `vpc service …`, all five: the identifier of a service.
fn services(wrangler: &Wrangler, tunnel: &str, port: u16) -> String {
    let text = wrangler.good(
        &format!("vpc service create api --type http --ipv4 127.0.0.1 --http-port {port} --tunnel-id {tunnel}"),
        &["Created VPC service"],
    );
    let service = uuid_in(after(&text, "Created VPC service"));
    let text = wrangler.good(
        &format!("vpc service create pg --type tcp --tcp-port 5432 --app-protocol postgresql --hostname db.internal --resolver-ips 10.0.0.2 --tunnel-id {tunnel}"),
        &["Created VPC service", "db.internal"],
    );
    let database = uuid_in(after(&text, "Created VPC service"));
    wrangler.good("vpc service list", &[&service, &format!("HTTP:{port}"), "TCP:5432 (postgresql)", "db.internal"]);
    wrangler.good(&format!("vpc service get {service}"), &["api", "127.0.0.1"]);
    wrangler.good(
        &format!("vpc service update {database} --name pg --type http --hostname web.internal --tunnel-id {tunnel} --cert-verification-mode verify_ca"),
        &["web.internal"],
    );
    wrangler.bad(
        "vpc service create x --type http --ipv4 10.0.0.5 --tunnel-id 00000000-0000-4000-8000-000000000000",
        &["does not exist"],
    );
    wrangler.good(&format!("vpc service delete {database}"), &["Deleted"]);
    let listed = wrangler.good("vpc service list", &[&service]);
    assert!(!listed.contains(&database), "{listed}");
    service
}

fn configuration(service: &str, tunnel: &str) -> Value {
    json!({
        "name": "shop", "main": "index.js", "compatibility_date": "2025-09-01", "compatibility_flags": ["nodejs_compat"],
        "define": { "RELEASE": "1" },
        "vars": { "NAME": "Ada", "CFG": { "a": 1, "b": [true] }, "N": 3 },
        "vpc_services": [{ "binding": "API", "service_id": service, "remote": true }],
        "vpc_networks": [{ "binding": "NET", "tunnel_id": tunnel, "remote": true },
                         { "binding": "ALL", "network_id": "cf1:network", "remote": true }],
        "services": [{ "binding": "GREETER", "service": "greeter", "entrypoint": "Greeter", "props": { "loud": true } }],
        "version_metadata": { "binding": "VERSION" },
        "limits": { "cpu_ms": 5000, "subrequests": 50 },
        "observability": { "enabled": true, "head_sampling_rate": 1 },
        "routes": [{ "pattern": "app.example.test/*", "zone_name": "example.test" },
                   { "pattern": "shop.example.test", "custom_domain": true }],
        "triggers": { "crons": ["*/5 * * * *"] },
        "workers_dev": true,
    })
}

fn release(configuration: &Value, number: u32) -> Value {
    let mut next = configuration.clone();
    next["define"]["RELEASE"] = number.to_string().into();
    next
}

/// The first deployment, and the second: the shapes of both differ.
fn deployments(wrangler: &Wrangler, configuration: &Value) {
    wrangler.write("index.js", SHOP);
    wrangler.write("note.txt", "hello");
    wrangler.write("data.bin", [0, 255, 7]);
    wrangler.write("add.wasm", ADD_WASM);
    wrangler.write("greeter.js", GREETER);
    wrangler.configure(&json!({ "name": "greeter", "main": "greeter.js", "compatibility_date": "2025-09-01",
                                "vars": { "WORD": "Hi" } }));
    wrangler.good("deploy", &["Uploaded greeter"]);
    wrangler.write("lib/greeting.js", "export const greeting = (name) => `Hello ${name}`;");
    wrangler.write(".secrets.json", r#"{"API_KEY": "from a file"}"#);
    wrangler.configure(configuration);
    wrangler.good(
        "deploy --secrets-file .secrets.json",
        &["Uploaded shop", "app.example.test/*", "shop.example.test", "*/5 * * * *", "shop.localhost"],
    );
    let said = wrangler.ask("shop");
    assert_eq!(
        said,
        json!({
            "release": 1, "note": "hello", "data": [0, 255, 7], "sum": 5, "greeting": "Hello Ada",
            "networks": ["function", "function"], "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
            "greeted": { "word": "Hi", "name": "Ada", "loud": true },
            "env": { "NAME": "Ada", "CFG": { "a": 1, "b": [true] }, "N": 3, "API_KEY": "from a file" },
        })
    );
    assert_eq!(wrangler.edge.get("shop", "/private").text(), "private");
    for host in ["app.example.test", "shop.example.test"] {
        let answer = crate::harness::request(wrangler.edge.addresses.http, "GET", "/", &[("Host", host)], b"");
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    wrangler.configure(&release(configuration, 2));
    wrangler.good(r#"deploy --message "the second" --tag v2"#, &["Uploaded shop"]);
    // Secrets stay though nothing names them.
    let said = wrangler.ask("shop");
    assert_eq!((&said["release"], &said["env"]["API_KEY"]), (&json!(2), &json!("from a file")));
    wrangler.good("deployments list", &["the second", "100%"]);
    wrangler.good("deployments status", &["100%", "v2"]);
    wrangler.good("versions list", &["v2", "the second"]);
}

/// How many of so many requests each release answers.
fn split(wrangler: &Wrangler, releases: [u32; 2]) -> [usize; 2] {
    let mut counts = [0; 2];
    for _ in 0..200 {
        let said = wrangler.ask("shop")["release"].clone();
        let at = releases.iter().position(|release| said == json!(release)).unwrap_or_else(|| panic!("{said}"));
        counts[at] += 1;
    }
    counts
}

/// `versions …`, `rollback`.
fn versions(wrangler: &Wrangler, configuration: &Value) {
    wrangler.configure(&release(configuration, 3));
    let text = wrangler.good("versions upload --tag v3 --message third", &["Version ID"]);
    let third = uuid_in(after(&text, "Version ID"));
    assert_eq!(wrangler.ask("shop")["release"], 2);
    wrangler.good(&format!("versions view {third}"), &["v3", "third", "API_KEY", "NAME"]);
    let listed: Value = serde_json::from_str(&wrangler.good("versions list --json", &["v3"])).unwrap();
    let second = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|version| version["annotations"]["workers/tag"] == "v2")
        .and_then(|version| version["id"].as_str())
        .unwrap()
        .to_owned();

    wrangler.good(&format!("versions deploy {second}@75% {third}@25% --yes --message canary"), &["75%", "25%"]);
    let [to_second, to_third] = split(wrangler, [2, 3]);
    // 50 are expected; fewer than 20 or more than 90 happen once in some hundred million runs.
    assert!((20..=90).contains(&to_third), "{to_second} and {to_third}");
    wrangler.good("deployments status", &["75%", "25%", &second, &third]);

    wrangler.good_with("versions secret put LATER", "in a version\n", &["LATER"]);
    wrangler.good("versions secret list", &["API_KEY"]);
    wrangler.good("versions secret delete LATER", &["LATER"]);
    wrangler.write(".bulk.json", r#"{"ONE": "1", "TWO": "2"}"#);
    wrangler.good("versions secret bulk .bulk.json", &["ONE", "TWO"]);
    let listed: Value = serde_json::from_str(&wrangler.good("versions list --json", &[])).unwrap();
    let newest = listed.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    assert_ne!(newest, third);
    wrangler.good(&format!("versions deploy {newest}@100% --yes"), &["100%"]);
    let said = wrangler.ask("shop");
    assert_eq!((&said["release"], &said["env"]["ONE"], &said["env"]["LATER"]), (&json!(3), &json!("1"), &Value::Null));

    wrangler.good(&format!("rollback {second} --yes --message back"), &[&second]);
    assert_eq!(wrangler.ask("shop")["release"], 2);
    wrangler.good("deployments list", &["back", "canary"]);
    wrangler.good(&format!("versions deploy {newest}@100% --yes"), &["100%"]);
}

/// `secret …`: each change is served when the command ends.
fn secrets(wrangler: &Wrangler) {
    wrangler.good_with("secret put API_KEY", "s3cr3t\n", &["Success"]);
    assert_eq!(wrangler.ask("shop")["env"]["API_KEY"], "s3cr3t");
    wrangler.write(".bulk.json", r#"{"A": "1", "B": "2"}"#);
    wrangler.good("secret bulk .bulk.json", &["2 secrets successfully uploaded"]);
    let listed = wrangler.good("secret list", &["API_KEY", "\"A\"", "\"B\"", "secret_text"]);
    assert!(!listed.contains("s3cr3t"), "{listed}");
    wrangler.good("secret delete A", &["Success"]);
    assert_eq!(wrangler.ask("shop")["env"]["A"], Value::Null);
    assert_eq!(wrangler.ask("shop")["env"]["B"], "2");
    // A Worker that is not there yet is made for its secret.
    wrangler.good_with("secret put EARLY --name draft", "x\n", &["draft"]);
    wrangler.good("delete draft --force", &["draft"]);
}

/// A tail that runs, once it is connected.
struct Tail {
    process: Process,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Tail {
    fn start(wrangler: &Wrangler, filters: &str) -> Self {
        let watched = || wrangler.edge.api("/workers/scripts/shop/tails").as_array().unwrap().len();
        let before = watched();
        let mut child = wrangler
            .command(&format!("tail shop --format json {filters}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let process = Process(child);
        wait_for("wrangler tail", || (watched() > before).then_some(()));
        Tail { process, lines }
    }

    /// The path of the next event's request. Events are printed over several lines.
    fn next_path(&mut self) -> String {
        loop {
            let line = self.lines.next().expect("wrangler tail ended").unwrap();
            if let Some(url) = line.trim().strip_prefix("\"url\": \"") {
                let url = url.trim_end_matches(['"', ',']);
                return url.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
            }
        }
    }
}

/// `tail` with every filter: of the requests below, each tail prints its own first.
fn tails(wrangler: &Wrangler) {
    let version = wrangler.edge.api("/workers/scripts/shop/deployments")["deployments"][0]["versions"][0]["version_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let cases = [
        ("--status error", "throw"),
        ("--status ok --method POST", "post"),
        ("--header x-wanted:yes", "header"),
        ("--search needle", "needle"),
        ("--ip self --method PUT", "put"),
        (&format!("--version-id {version} --method DELETE"), "delete"),
        ("--sampling-rate 1 --method PATCH", "patch"),
    ];
    let mut tails: Vec<(Tail, &str)> =
        cases.iter().map(|(filters, wanted)| (Tail::start(wrangler, filters), *wanted)).collect();
    let edge = &wrangler.edge;
    assert_eq!(edge.get("shop", "/throw").status, 500);
    for (method, path, headers) in [
        ("GET", "/plain", &[][..]),
        ("POST", "/post", &[]),
        ("GET", "/header", &[("X-Wanted", "yes")]),
        ("GET", "/needle", &[]),
        ("PUT", "/put", &[]),
        ("DELETE", "/delete", &[]),
        ("PATCH", "/patch", &[]),
    ] {
        assert_eq!(edge.visit("shop", method, path, headers, b"").status, 200);
    }
    for (tail, wanted) in &mut tails {
        assert_eq!(tail.next_path(), *wanted);
    }
    // Told to stop, wrangler takes its tail away.
    for (tail, _) in &mut tails {
        tail.process.signal("-INT");
        tail.process.0.wait().unwrap();
    }
    wait_for("the end of the tails", || {
        edge.api("/workers/scripts/shop/tails").as_array().unwrap().is_empty().then_some(())
    });
}

/// What Culvert does not have is refused by the name of the binding; what is wrong is told where.
fn refusals(wrangler: &Wrangler, configuration: &Value) {
    let plain = |more: Value| {
        let mut plain = json!({ "name": "refused", "main": "greeter.js", "compatibility_date": "2025-09-01" });
        plain.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plain
    };
    for (more, named) in [
        (json!({ "kv_namespaces": [{ "binding": "CACHE", "id": "0123456789abcdef0123456789abcdef" }] }), "CACHE"),
        (
            json!({ "d1_databases": [{ "binding": "DB", "database_name": "d", "database_id": "0123456789abcdef0123456789abcdef" }] }),
            "DB",
        ),
        (json!({ "r2_buckets": [{ "binding": "FILES", "bucket_name": "files" }] }), "FILES"),
        (json!({ "queues": { "producers": [{ "binding": "JOBS", "queue": "jobs" }] } }), "JOBS"),
        (json!({ "ai": { "binding": "AI" } }), "AI"),
        (
            json!({ "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room", "script_name": "other" }] } }),
            "ROOM",
        ),
    ] {
        wrangler.configure(&plain(more));
        wrangler.bad("deploy", &[named, "not available in Culvert", "10021"]);
    }
    wrangler.write("public/index.html", "<p>");
    wrangler.configure(&plain(json!({ "assets": { "directory": "public" } })));
    wrangler.bad("deploy", &["not available in Culvert", "10021"]);
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (more, said) in [
        (json!({ "vpc_services": [{ "binding": "X", "service_id": unknown }] }), "VPC Service"),
        (json!({ "vpc_networks": [{ "binding": "X", "tunnel_id": unknown }] }), "tunnel"),
        (json!({ "services": [{ "binding": "X", "service": "nobody" }] }), "Worker"),
    ] {
        wrangler.configure(&plain(more));
        wrangler.bad("deploy", &["\"X\"", said, "does not exist", "10021"]);
    }
    wrangler.write("broken.js", "export default {\n  fetch() { return new Response(1 +); }\n};\n");
    wrangler.configure(&plain(json!({ "main": "broken.js", "no_bundle": true })));
    wrangler.bad("deploy", &["SyntaxError", "broken.js:2:", "10021"]);
    wrangler.write("lost.js", "import './nowhere.js';\nexport default { fetch() {} };\n");
    wrangler.configure(&plain(json!({ "main": "lost.js", "no_bundle": true })));
    wrangler.bad("deploy", &["nowhere.js", "10021"]);
    wrangler.write("slow.js", "for (;;) {}\nexport default { fetch() {} };\n");
    wrangler.configure(&plain(json!({ "main": "slow.js", "no_bundle": true })));
    wrangler.bad("deploy", &["CPU", "10021"]);
    wrangler.write("idle.js", "export default {};\n");
    wrangler.configure(&plain(json!({ "main": "idle.js", "no_bundle": true })));
    wrangler.bad("deploy", &["10068"]);
    wrangler.configure(configuration);
}

/// A token with fewer permissions is refused by the name of the one that is missing.
fn permissions(wrangler: &mut Wrangler, configuration: &Value, service: &str, tunnel: &str) {
    let make = |permissions: &str| {
        let made = wrangler.edge.json(&["token", "create", "ci", "--permission", permissions]);
        made["value"].as_str().unwrap().to_owned()
    };
    let (scripts_only, wrong) = (make("workers-scripts.edit,account-settings.read"), "cvt_wrong".to_owned());
    let admin = std::mem::replace(&mut wrangler.token, scripts_only);
    let bound = |kind: &str, binding: Value| {
        let mut worker = json!({ "name": "bound", "main": "greeter.js", "compatibility_date": "2025-09-01" });
        worker[kind] = json!([binding]);
        worker
    };
    wrangler.configure(&bound("vpc_services", json!({ "binding": "API", "service_id": service })));
    wrangler.bad("deploy", &["Connectivity Directory Bind", "API"]);
    wrangler.configure(&bound("vpc_networks", json!({ "binding": "NET", "tunnel_id": tunnel })));
    wrangler.bad("deploy", &["Connectivity Directory Admin", "NET"]);
    wrangler.bad("vpc service list", &["Connectivity Directory Read"]);
    wrangler.bad("tunnel list", &[]);
    wrangler.configure(configuration);
    wrangler.good("versions list", &["v3"]);
    wrangler.token = wrong;
    for arguments in ["deploy", "vpc service list", "secret list", "versions list"] {
        wrangler.bad(arguments, &[]);
    }
    wrangler.token = admin;
}

/// `delete`, and what goes before it.
fn deletion(wrangler: &Wrangler, service: &str) {
    wrangler.bad(&format!("vpc service delete {service}"), &["shop"]);
    wrangler.good("delete --force", &["Successfully deleted shop"]);
    assert_eq!(wrangler.edge.get("shop", "/").status, 404);
    wrangler.bad("tunnel delete warehouse --force", &["api"]);
    wrangler.good(&format!("vpc service delete {service}"), &["Deleted"]);
    wrangler.good("vpc service list", &["No VPC services found"]);
    wrangler.good("tunnel delete warehouse --force", &["warehouse"]);
}

fn everything(version: &str, options: &[&str]) {
    let Some(mut wrangler) = Wrangler::start(version, options) else {
        return;
    };
    wrangler.good("whoami", &["admin@localhost", "Local", "local"]);
    let (tunnel, connector) = tunnels(&wrangler);
    let port = http_service(|_, _, _| "private".to_owned());
    let service = services(&wrangler, &tunnel, port);
    let configuration = configuration(&service, &tunnel);
    deployments(&wrangler, &configuration);
    versions(&wrangler, &configuration);
    secrets(&wrangler);
    tails(&wrangler);
    refusals(&wrangler, &configuration);
    permissions(&mut wrangler, &configuration, &service, &tunnel);
    deletion(&wrangler, &service);
    drop(connector);
}

#[test]
#[ignore = "takes minutes: make test-clients"]
fn an_old_wrangler_does_everything() {
    everything(OLD, &[]);
}

#[test]
#[ignore = "takes minutes: make test-clients"]
fn a_new_wrangler_does_everything_on_postgresql() {
    let Some(database) = postgres() else {
        return;
    };
    everything(NEW, &["--database", &database]);
}
