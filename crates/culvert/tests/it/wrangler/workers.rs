//! Workers: `deploy`, `versions …`, `deployments …`, `rollback`, `secret …`, and what is served after each.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Wrangler, after, uuid_in};
use crate::harness::request;

/// Adds two numbers: `(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))`.
const ADD_WASM: &[u8] = &[
    0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9,
    1, 7, 0, 32, 0, 32, 1, 106, 11,
];

const SHOP: &str = include_str!("projects/shop.js");
/// What others call by RPC and by `fetch`, and a cron trigger runs.
const GREETER: &str = include_str!("projects/greeter.js");
/// Modules that import each other, not bundled.
const PARTS: &str = include_str!("projects/parts.js");

pub fn configuration(service: &str, tunnel: &str) -> Value {
    json!({
        "name": "shop", "main": "index.js", "compatibility_date": "2025-09-01", "compatibility_flags": ["nodejs_compat"],
        "define": { "RELEASE": "1" },
        "vars": { "NAME": "Ada", "CFG": { "a": 1, "b": [true] }, "N": 3 },
        "vpc_services": [{ "binding": "API", "service_id": service, "remote": true }],
        "vpc_networks": [{ "binding": "NET", "tunnel_id": tunnel, "remote": true },
                         { "binding": "ALL", "network_id": "cf1:network", "remote": true }],
        "services": [{ "binding": "GREETER", "service": "greeter", "entrypoint": "Greeter", "props": { "loud": true } },
                     { "binding": "PLAIN", "service": "greeter" }],
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
pub fn deployments(wrangler: &Wrangler, configuration: &Value) {
    wrangler.write("index.js", SHOP);
    wrangler.write("note.txt", "hello");
    wrangler.write("data.bin", [0, 255, 7]);
    wrangler.write("add.wasm", ADD_WASM);
    wrangler.write("greeter.js", GREETER);
    wrangler.configure(&json!({ "name": "greeter", "main": "greeter.js", "compatibility_date": "2025-09-01",
                                "vars": { "WORD": "Hi" }, "workers_dev": false, "triggers": { "crons": ["* * * * *"] },
                                "observability": { "enabled": true } }));
    wrangler.good("deploy", &["Uploaded greeter", "* * * * *"]);
    // For others only.
    assert_eq!(wrangler.edge.get("greeter", "/").status, 404);
    wrangler.write("lib/greeting.js", "export const greeting = (name) => `Hello ${name}`;");
    wrangler.write(".secrets.json", r#"{"API_KEY": "from a file"}"#);
    wrangler.configure(configuration);
    let text = wrangler.good(
        "deploy --secrets-file .secrets.json",
        &["Uploaded shop", "app.example.test/*", "shop.example.test", "*/5 * * * *"],
    );
    // Old ones make an address of the name themselves.
    assert!(text.contains("shop.localhost") || text.contains("shop.culvert.workers.dev"), "{text}");
    let said = wrangler.ask("shop");
    assert_eq!(said["version"]["id"], uuid_in(after(&text, "Version ID")), "{said}");
    let without_version = {
        let mut said = said;
        said.as_object_mut().unwrap().remove("version");
        said
    };
    assert_eq!(
        without_version,
        json!({
            "release": 1, "note": "hello", "data": [0, 255, 7], "sum": 5, "greeting": "Hello Ada",
            "networks": ["destination_ip_prohibited", "function"], "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
            "greeted": { "word": "Hi", "name": "Ada", "loud": true }, "plain": "the default export",
            "env": { "NAME": "Ada", "CFG": { "a": 1, "b": [true] }, "N": 3, "API_KEY": "from a file" },
        })
    );
    assert_eq!(wrangler.edge.get("shop", "/private").text(), "private");
    for host in ["app.example.test", "shop.example.test"] {
        let answer = request(wrangler.edge.addresses.http, "GET", "/", &[("Host", host)], b"");
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    wrangler.configure(&release(configuration, 2));
    wrangler.good(r#"deploy --message "the second" --tag v2"#, &["Uploaded shop"]);
    // Secrets stay though nothing names them.
    let said = wrangler.ask("shop");
    assert_eq!((&said["release"], &said["env"]["API_KEY"]), (&json!(2), &json!("from a file")));
    assert_eq!(said["version"]["tag"], "v2");
    let settings = wrangler.edge.api("/workers/scripts/shop/settings");
    assert_eq!(settings["limits"], json!({ "cpu_ms": 5000, "subrequests": 50 }));
    assert_eq!(settings["observability"]["head_sampling_rate"], 1);
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
pub fn versions(wrangler: &Wrangler, configuration: &Value) {
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

    // Secrets were added since, which is to be confirmed.
    wrangler
        .good(&format!("rollback {second} --yes --message back"), &[&second, "secrets have changed", "* ONE", "* TWO"]);
    assert_eq!(wrangler.ask("shop")["release"], 2);
    wrangler.good("deployments list", &["back", "canary"]);
    // To whatever was in force before.
    wrangler.good("rollback --yes --message forth", &[&newest]);
    assert_eq!(wrangler.ask("shop")["release"], 3);
    wrangler.bad("rollback 00000000-0000-4000-8000-000000000000 --yes", &["00000000-0000-4000-8000-000000000000"]);
}

/// `secret …`: each change is served when the command ends.
pub fn secrets(wrangler: &Wrangler) {
    wrangler.good_with("secret put API_KEY", "s3cr3t\n", &["Success"]);
    assert_eq!(wrangler.ask("shop")["env"]["API_KEY"], "s3cr3t");
    wrangler.write(".bulk.json", r#"{"A": "1", "B": "2"}"#);
    wrangler.good("secret bulk .bulk.json", &["2 secrets successfully"]);
    let listed = wrangler.good("secret list", &["API_KEY", "\"A\"", "\"B\"", "secret_text"]);
    assert!(!listed.contains("s3cr3t"), "{listed}");
    wrangler.good("secret delete A", &["Success"]);
    assert_eq!(wrangler.ask("shop")["env"]["A"], Value::Null);
    assert_eq!(wrangler.ask("shop")["env"]["B"], "2");
    // A Worker that is not there yet is made for its secret.
    wrangler.good_with("secret put EARLY --name draft", "x\n", &["draft"]);
    wrangler.good("delete draft --force", &["draft"]);
}

/// A custom domain goes from one Worker to another; on a terminal wrangler asks whether it may.
pub fn custom_domains(wrangler: &Wrangler) {
    wrangler.write("fixed.js", "export default { fetch: () => new Response(NAME) };\n");
    let configure = |name: &str| {
        wrangler.configure(&json!({
            "name": name, "main": "fixed.js", "compatibility_date": "2025-09-01",
            "define": { "NAME": format!("'{name}'") },
            "routes": [{ "pattern": "moving.example.test", "custom_domain": true }],
        }));
    };
    let served = || request(wrangler.edge.addresses.http, "GET", "/", &[("Host", "moving.example.test")], b"").text();
    configure("first");
    wrangler.good("deploy", &["moving.example.test"]);
    assert_eq!(served(), "first");
    configure("second");
    match wrangler.on_terminal("deploy") {
        Some(ended) => {
            assert_eq!(ended.code, Some(0), "{}", ended.text);
            assert!(ended.text.contains("used as a domain for \"first\""), "{}", ended.text);
        }
        None => drop(wrangler.good("deploy", &["moving.example.test"])),
    }
    assert_eq!(served(), "second");
    for name in ["first", "second"] {
        wrangler.good(&format!("delete {name} --force"), &["Successfully deleted"]);
    }
}

/// What is recorded is the same after the second deployment as after the first.
pub fn observability(wrangler: &Wrangler) {
    let deploy = |observability: Value| {
        let mut configuration = json!({ "name": "watched", "main": "fixed.js", "compatibility_date": "2025-09-01",
                                        "define": { "NAME": "'watched'" } });
        if !observability.is_null() {
            configuration["observability"] = observability;
        }
        wrangler.configure(&configuration);
        wrangler.good("deploy", &["Uploaded watched"]);
        wrangler.edge.api("/workers/scripts/watched/script-settings")["observability"].clone()
    };
    assert_eq!(deploy(Value::Null), Value::Null);
    assert_eq!(deploy(Value::Null), Value::Null);
    let off = json!({ "enabled": false });
    assert_eq!(deploy(off.clone()), off);
    assert_eq!(deploy(off.clone()), off);
    assert_eq!(deploy(Value::Null), Value::Null);
    wrangler.good("delete watched --force", &["Successfully deleted"]);
}

/// Modules as they are, several of them and of every type.
pub fn parts(wrangler: &Wrangler) {
    wrangler.write("parts/index.mjs", PARTS);
    wrangler.write("parts/lib/twice.mjs", "import { two } from './two.mjs';\nexport const twice = (x) => two * x;\n");
    wrangler.write("parts/lib/two.mjs", "export const two = 2;\n");
    wrangler.write("parts/label.txt", "label");
    wrangler.write("parts/table.bin", [1, 2, 3]);
    wrangler.write("parts/add.wasm", ADD_WASM);
    wrangler.configure(&json!({
        "name": "parts", "main": "parts/index.mjs", "compatibility_date": "2025-09-01", "no_bundle": true,
        "find_additional_modules": true, "base_dir": "parts",
        "rules": [{ "type": "ESModule", "globs": ["**/*.mjs"] }],
    }));
    wrangler.good("deploy", &["lib/twice.mjs", "lib/two.mjs", "Uploaded parts"]);
    assert_eq!(wrangler.ask("parts"), json!([8, "label", 3, 3]));
    wrangler.good("delete --force", &["Successfully deleted parts"]);
}

/// The Worker that runs every minute was deployed at the beginning: it has run, or does so soon.
pub fn cron_triggers(wrangler: &Wrangler) {
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        let records = wrangler.edge.api("/workers/invocations?worker=greeter");
        let mut records = records.as_array().unwrap().iter();
        if let Some(record) = records.find(|record| record["eventType"] == "scheduled") {
            assert_eq!(record["outcome"], "ok", "{record}");
            assert_eq!(record["event"]["cron"], "* * * * *", "{record}");
            assert_eq!(record["logs"][0]["message"], json!(["on time", "* * * * *"]), "{record}");
            return;
        }
        assert!(Instant::now() < deadline, "no cron trigger ran");
        std::thread::sleep(Duration::from_millis(200));
    }
}
