//! Uploads: what is accepted, and everything that is refused, with its code.

use http::Method;
use serde_json::{Value, json};
use store::ModuleKind;

use crate::harness::{BOUNDARY, Form, Server};

const SCRIPT: &str = "/workers/scripts/w";

#[tokio::test]
async fn an_upload_arrives_as_it_was_sent() {
    let server = Server::start().await;
    let tunnel = server.tunnel("t").await;
    let service = server.service("api", &tunnel).await;
    server.deploy("other", json!({})).await.result();
    let bindings = json!([
        { "name": "GREETING", "type": "plain_text", "text": "hello" },
        { "name": "CFG", "type": "json", "json": { "a": 1, "b": [true] } },
        { "name": "API_KEY", "type": "secret_text", "text": "zzz" },
        { "name": "API", "type": "vpc_service", "service_id": service },
        { "name": "NET_T", "type": "vpc_network", "tunnel_id": tunnel },
        { "name": "NET_N", "type": "vpc_network", "network_id": "cf1:network" },
        { "name": "OTHER", "type": "service", "service": "other", "entrypoint": "Admin" },
        { "name": "SELF", "type": "service", "service": "w" },
        { "name": "VER", "type": "version_metadata" },
    ]);
    let metadata = json!({
        "bindings": bindings, "compatibility_date": "2025-09-01", "compatibility_flags": ["nodejs_compat"],
        "code_update_strategy": { "mode": "deferred", "max_delay": 300 },
        "keep_bindings": ["secret_text", "secret_key"], "limits": { "cpu_ms": 50, "subrequests": 100 },
        "annotations": { "workers/message": "first", "workers/tag": "v1" },
        "observability": { "enabled": true, "head_sampling_rate": 1 },
        "placement": { "mode": "smart" }, "logpush": false, "cell_hint": "abc",
    });
    let wasm = b"\0asm\x01\0\0\0";
    let form = Form::worker(metadata)
        .part("./note.txt", "text/plain", "h\u{e4}llo".as_bytes())
        .part("./m.wasm", "application/wasm", wasm)
        .part("./d.bin", "application/octet-stream", &[0, 255, 13, 10])
        .part("./c.json", "application/json", b"{\"x\":1}")
        .part("index.js.map", "application/source-map", b"{}");
    let answer =
        server.upload(Method::PUT, &format!("{SCRIPT}?excludeScript=true&bindings_inherit=strict"), &form).await;
    let result = answer.result();
    assert_eq!(result["id"], "w");
    assert_eq!(result["startup_time_ms"], 3);
    let messages = answer.json()["messages"].clone();
    assert_eq!(messages.as_array().unwrap().len(), 1);
    assert!(messages[0]["message"].as_str().unwrap().contains("cell_hint"));

    let candidate = server.platform.candidates.lock().unwrap().pop().unwrap();
    let kinds: Vec<_> = candidate.modules.iter().map(|m| (m.name.as_str(), m.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("index.js", ModuleKind::EsModule),
            ("./note.txt", ModuleKind::Text),
            ("./m.wasm", ModuleKind::Wasm),
            ("./d.bin", ModuleKind::Data),
            ("./c.json", ModuleKind::Json),
        ]
    );
    assert_eq!(&candidate.modules[3].body[..], &[0, 255, 13, 10]);
    assert_eq!(candidate.secrets["API_KEY"].expose_str(), Some("zzz"));
    assert_eq!(candidate.limits.cpu_ms, Some(50));

    let version = result["deployment_id"].as_str().unwrap();
    let view = server.get(&format!("{SCRIPT}/versions/{version}")).await;
    let shown = view.result();
    assert!(!String::from_utf8_lossy(&view.body).contains("zzz"));
    let mut expected = bindings.clone();
    expected[2].as_object_mut().unwrap().remove("text");
    assert_eq!(shown["resources"]["bindings"], expected);
    assert_eq!(shown["number"], 1);
    assert_eq!(
        shown["annotations"],
        json!({
        "workers/message": "first", "workers/tag": "v1", "workers/triggered_by": "upload" })
    );
    assert_eq!(
        shown["resources"]["script_runtime"],
        json!({
        "compatibility_date": "2025-09-01", "compatibility_flags": ["nodejs_compat"],
        "limits": { "cpu_ms": 50, "subrequests": 100 }, "usage_model": "standard" })
    );
    assert_eq!(shown["resources"]["script"]["placement_mode"], "smart");

    // Down again, byte for byte.
    let down = server.get(&format!("{SCRIPT}/content/v2?version={version}")).await;
    assert_eq!(down.headers["cf-entrypoint"], "index.js");
    assert!(down.headers["content-type"].to_str().unwrap().starts_with("multipart/form-data; boundary="));
    assert!(down.body.windows(4).any(|w| w == [0, 255, 13, 10]));
    let text = String::from_utf8_lossy(&down.body);
    assert!(text.contains(Form::MAIN) && text.contains("name=\"./m.wasm\""));
    assert_eq!(server.get(SCRIPT).await.status, 200);
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let auth = format!("Bearer {}", server.token);
    let path = format!("/accounts/local{SCRIPT}");
    let send = |content_type: &'static str, body: &'static str| {
        let (server, auth, path) = (&server, &auth, &path);
        async move { server.send(Method::PUT, path, &[("authorization", auth), ("content-type", content_type)], body).await }
    };
    send("application/json", "{}").await.error(400, 10026);
    send("multipart/form-data", "x").await.error(400, 10026);
    send("multipart/form-data; boundary=b", "").await.error(400, 10026);
    send("multipart/form-data; boundary=b", "garbage").await.error(400, 10026);
    send("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{}")
        .await
        .error(400, 10026);
    send("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data\r\n\r\n{}\r\n--b--\r\n")
        .await
        .error(400, 10026);
    let put = |form: Form| {
        let server = &server;
        async move { server.upload(Method::PUT, SCRIPT, &form).await }
    };
    let message = put(Form::new().field("metadata", "{\"a\": x}")).await.error(400, 10026);
    assert!(message.contains("line 1 column 7"), "{message}");
    put(Form::new().field("metadata", "[]")).await.error(400, 10026);
    put(Form::new().field("metadata", "{}").field("metadata", "{}")).await.error(400, 10026);
    let message = put(Form::new().part("index.js", "application/javascript+module", b"x")).await.error(400, 10026);
    assert!(message.contains("\"metadata\" is missing"), "{message}");
    server.get(SCRIPT).await.error(404, 10007);
}

#[tokio::test]
async fn what_is_wrong_with_a_worker_is_said() {
    let server = Server::start().await;
    let metadata = |value: Value| Form::worker(value);
    for (form, code, words) in [
        (Form::new().field("metadata", "{}"), 10021, "no main_module"),
        (metadata(json!({ "main_module": "x.js" })), 10021, "\"x.js\" is missing: the upload has index.js"),
        (metadata(json!({ "main_module": 5 })), 10021, "main_module"),
        (metadata(json!({})).part("index.js", "text/plain", b""), 10021, "there twice"),
        (metadata(json!({})).part("a.py", "text/x-python", b""), 10021, "Python"),
        (metadata(json!({})).part("a.zip", "application/zip", b""), 10162, "application/zip"),
        (metadata(json!({})).field("x", "no content type"), 10162, "no Content-Type"),
        (metadata(json!({})).part("a.txt", "text/plain", &[0xff]), 10021, "UTF-8"),
        (metadata(json!({})).part("a.json", "application/json", b"{"), 10021, "not JSON"),
        (metadata(json!({})).part("a.wasm", "application/wasm", b"asm"), 10021, "WebAssembly"),
        (metadata(json!({ "compatibility_date": "tomorrow" })), 10021, "YYYY-MM-DD"),
        (metadata(json!({ "compatibility_flags": "x" })), 10021, "compatibility_flags"),
        (metadata(json!({ "compatibility_flags": ["nodejs_compat", "nodejs_combat"] })), 10021, "\"nodejs_combat\""),
        (metadata(json!({ "compatibility_date": "2999-01-01" })), 10021, "in the future"),
        (metadata(json!({ "streaming_tail_consumers": [{ "service": "t" }] })), 10021, "streaming_tail_consumers"),
        (
            metadata(json!({ "observability": { "logs": { "head_sampling_rate": 7 } } })),
            10021,
            "logs.head_sampling_rate",
        ),
        (metadata(json!({ "observability": { "traces": { "enabled": true } } })), 10021, "observability.traces"),
        (metadata(json!({ "placement": { "mode": "nonsense" } })), 10021, "placement.mode"),
        (metadata(json!({ "bindings": [{ "name": "a b c", "type": "plain_text", "text": "x" }] })), 10021, "\"a b c\""),
        (
            metadata(json!({ "bindings": [{ "name": "O", "type": "service", "service": "w", "props": 5 }] })),
            10021,
            "\"props\" of binding \"O\"",
        ),
        (
            metadata(
                json!({ "bindings": [{ "name": "O", "type": "service", "service": "w", "props": { "x": "y".repeat(200_000) } }] }),
            ),
            10021,
            "16384",
        ),
        (
            metadata(
                json!({ "bindings": [{ "name": "O", "type": "service", "service": "w", "environment": "staging" }] }),
            ),
            10021,
            "environment \"staging\"",
        ),
        (
            metadata(json!({ "bindings": [{ "name": "V", "type": "plain_text", "text": "x", "foo": 1 }] })),
            10021,
            "\"foo\"",
        ),
        (Form::of(json!({}), "QUEUE"), 10069, "queue()"),
        (metadata(json!({ "limits": { "cpu_ms": 0 } })), 10021, "300000"),
        (metadata(json!({ "limits": { "cpu_ms": 300_001 } })), 10021, "300000"),
        (metadata(json!({ "limits": 5 })), 10021, "limits"),
        (metadata(json!({ "observability": { "head_sampling_rate": 2 } })), 10021, "head_sampling_rate"),
        (metadata(json!({ "migrations": { "new_tag": "v1" } })), 10021, "Durable Objects"),
        (
            metadata(json!({ "bindings": [{ "name": "CACHE", "type": "kv_namespace", "namespace_id": "x" }] })),
            10021,
            "\"CACHE\" is a KV namespace, which is not available in Culvert",
        ),
        (metadata(json!({ "bindings": [{ "name": "X", "type": "my_custom" }] })), 10021, "my_custom"),
        (metadata(json!({ "bindings": [{ "type": "plain_text", "text": "x" }] })), 10052, "no name"),
        (
            metadata(json!({ "bindings": [{ "name": "V", "type": "plain_text", "text": "x".repeat(5_121) }] })),
            10054,
            "5 KB",
        ),
        (
            metadata(
                json!({ "bindings": (0..129).map(|n| json!({ "name": format!("V{n}"), "type": "json", "json": n })).collect::<Vec<_>>() }),
            ),
            10055,
            "129",
        ),
        (
            metadata(json!({ "bindings": [{ "name": "K", "type": "inherit" }] })),
            10057,
            "inherit binding 'K' is invalid",
        ),
        (
            metadata(
                json!({ "bindings": [{ "name": "S", "type": "vpc_service", "service_id": "11111111-1111-4111-8111-111111111111" }] }),
            ),
            10021,
            "VPC Service 11111111",
        ),
        (
            metadata(
                json!({ "bindings": [{ "name": "N", "type": "vpc_network", "tunnel_id": "11111111-1111-4111-8111-111111111111" }] }),
            ),
            10021,
            "tunnel 11111111",
        ),
        (
            metadata(json!({ "bindings": [{ "name": "O", "type": "service", "service": "nobody" }] })),
            10021,
            "Worker \"nobody\"",
        ),
        (Form::of(json!({}), "SYNTAX"), 10021, "index.js:3:7"),
        (Form::of(json!({}), "EMPTY"), 10068, "no registered event handlers"),
    ] {
        let message = server.upload(Method::PUT, SCRIPT, &form).await.error(400, code);
        assert!(message.contains(words), "{words}: {message}");
    }
    for name in ["A", "a.b", "-a", "a%20b", &"a".repeat(64)] {
        let path = format!("/workers/scripts/{name}");
        server.upload(Method::PUT, &path, &Form::worker(json!({}))).await.error(400, 10016);
    }
    // Nothing of all this was kept.
    assert_eq!(server.get("/workers/scripts").await.result(), json!([]));
    assert!(server.store.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_handler_that_nothing_calls_is_remarked() {
    let server = Server::start().await;
    let answer = server.upload(Method::PUT, SCRIPT, &Form::of(json!({}), "QUEUE FETCH")).await;
    answer.result();
    let messages = answer.json()["messages"].clone();
    assert!(messages[0]["message"].as_str().unwrap().contains("queue()"), "{messages}");
}

#[tokio::test]
async fn what_wrangler_makes_before_it_uploads_is_refused_by_name() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.token);
    let headers = [("authorization", bearer.as_str()), ("user-agent", "wrangler/4.164.0")];
    server.send(Method::GET, "/accounts/local/workers/scripts/my-shop/settings", &headers, "").await.error(404, 10007);
    let title = json!({ "title": "my-shop-page-cache" });
    let told = server.call(Method::POST, "/storage/kv/namespaces", title).await.error(400, 10021);
    assert!(told.contains("Binding \"PAGE_CACHE\" is a KV namespace"), "{told}");
    let told = server.call(Method::POST, "/storage/kv/namespaces", json!({ "title": "x" })).await.error(400, 10021);
    assert!(told.contains("namespace \"x\""), "{told}");
    // With this status wrangler goes on to upload, which names the binding.
    for path in ["/d1/database", "/r2/buckets/files", "/queues?name=jobs", "/workers/dispatch/namespaces"] {
        let told = server.get(path).await.error(403, 10021);
        assert!(told.contains("not available in Culvert"), "{path}: {told}");
    }
    let told = server.get("/d1/database/db").await.error(400, 10021);
    assert!(told.contains("database \"db\""), "{told}");
    let told = server.get("/workflows/flow").await.error(404, 10200);
    assert!(told.contains("\"flow\""), "{told}");
}

#[tokio::test]
async fn modules_in_parts_of_one_name_are_told_apart_by_their_files() {
    let server = Server::start().await;
    let form = Form::new()
        .part("metadata", "application/json", br#"{"main_module":"index.js"}"#)
        .file("files[]", "index.js", "application/javascript+module", Form::MAIN.as_bytes())
        .file("files[]", "note.txt", "text/plain", b"hello");
    server.upload(Method::PUT, SCRIPT, &form).await.result();
    let candidates = server.platform.candidates.lock().unwrap();
    let names: Vec<_> = candidates[0].modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["index.js", "note.txt"]);
}

#[tokio::test]
async fn a_worker_has_64_mebibytes() {
    let server = Server::start().await;
    let fits = Form::worker(json!({})).part(
        "./big",
        "application/octet-stream",
        &vec![1; 64 * 1024 * 1024 - Form::MAIN.len()],
    );
    server.upload(Method::PUT, SCRIPT, &fits).await.result();
    let over = Form::worker(json!({})).part("./big", "application/octet-stream", &vec![1; 64 * 1024 * 1024]);
    let message = server.upload(Method::PUT, SCRIPT, &over).await.error(413, 10027);
    assert!(message.contains("64 MiB"), "{message}");
    assert_eq!(server.get(&format!("{SCRIPT}/versions")).await.result()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_server_goes_on() {
    let server = Server::start().await;
    server.upload(Method::PUT, SCRIPT, &Form::of(json!({}), "PANIC")).await.error(500, 10013);
    server.get("/workers/scripts").await.result();
}

#[tokio::test]
async fn a_client_that_goes_away_in_an_upload_changes_nothing() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start().await;
    let body = Form::worker(json!({})).bytes();
    let head = format!(
        "PUT {}/accounts/local{SCRIPT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
        control::PREFIX,
        server.token,
        body.len(),
    );
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&body[..body.len() / 2]).await.unwrap();
    drop(socket);
    server.get(SCRIPT).await.error(404, 10007);
    server.upload(Method::PUT, SCRIPT, &Form::worker(json!({}))).await.result();
}
