//! What `fetch()` of a binding does beside a plain exchange: aborting, redirects, trailers, `Expect`; and errors that cross from one Worker
//! to another.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::failures::closed_port;
use crate::harness::{Edge, PATIENCE, connect, http_service, private_service, read_head, read_request};

/// Deploys a Worker whose handler has this body, bound to a service as `API`.
fn deploy(edge: &Edge, name: &str, service: &str, body: &str) {
    let module = format!("export default {{ async fetch(request, env) {{ {body} }} }};");
    let configuration = json!({
        "main": "index.js", "compatibility_date": "2026-11-01",
        "vpc_services": [{ "binding": "API", "service_id": service }],
    });
    edge.deploy(name, &[("index.js", &module)], &configuration.to_string(), &[]);
}

/// A service that answers only what is at `/arrived`, and that once `/silent` and `/half` are held. It tells of each of these that goes
/// away.
fn holds_requests() -> (u16, std::sync::mpsc::Receiver<()>) {
    let (gone, going) = channel();
    let arrived = Arc::new((Mutex::new(0), std::sync::Condvar::new()));
    let port = private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        let Some((line, ..)) = read_request(&mut reader) else { return };
        let (count, changed) = &*arrived;
        if line.starts_with("GET /arrived") {
            drop(changed.wait_while(count.lock().unwrap(), |count| *count < 2).unwrap());
            let _ = writer.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            return;
        }
        if line.starts_with("GET /half") {
            let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        let counts = !line.starts_with("GET /slow");
        if counts {
            *count.lock().unwrap() += 1;
            changed.notify_all();
        }
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
        if counts {
            let _ = gone.send(());
        }
    });
    (port, going)
}

#[test]
fn an_aborted_request_ends_at_the_service() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let (port, going) = holds_requests();
    let service = edge.service(&tunnel.id, "http", port, &[]);
    deploy(
        &edge,
        "aborter",
        &service,
        r#"const caught = (promise) => promise.then(() => "done", (error) => `${error.name}: ${error.message}`);
        const controller = new AbortController();
        const { signal } = controller;
        const head = env.API.fetch("http://x/silent", { signal });
        const body = (await env.API.fetch("http://x/half", { signal })).text();
        const timely = env.API.fetch("http://x/slow", { signal: AbortSignal.timeout(10) });
        const all = [head, body, timely].map(caught);
        await env.API.fetch("http://x/arrived");
        controller.abort(new RangeError("enough"));
        const late = caught(env.API.fetch("http://x/never", { signal }));
        return Response.json(await Promise.all([...all, late]));"#,
    );
    let answer = edge.get("aborter", "/").json();
    let said: Vec<&str> = answer.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(said[..2], ["RangeError: enough"; 2], "{answer}");
    assert!(said[2].starts_with("TimeoutError: "), "{answer}");
    assert_eq!(said[3], "RangeError: enough");
    for _ in 0..2 {
        going.recv_timeout(PATIENCE).unwrap();
    }
    // What was given up before its head neither succeeded nor failed, and its record ends when it did.
    let record = edge.fact("/workers/invocations?worker=aborter", |_| true);
    let given_up = |subrequest: &&Value| subrequest["error"] == "given up by the Worker";
    assert_eq!(record["subrequests"].as_array().unwrap().iter().filter(given_up).count(), 2, "{record}");
    edge.fact("/connectivity/events?worker=aborter&canceled=true", |event| event["canceled"] == true);
}

#[test]
fn a_redirect_stays_at_the_registered_service() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let elsewhere = http_service(|_, _, _| "elsewhere".to_owned());
    let port = private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some((line, headers, body)) = read_request(&mut reader) {
            let host = &headers.iter().find(|(name, _)| name == "host").unwrap().1;
            let text = format!("{line} of {host} with {}", String::from_utf8_lossy(&body));
            let (status, location) = match line.split(' ').nth(1).unwrap() {
                "/302" => ("302 Found", format!("Location: http://127.0.0.1:{elsewhere}/next\r\n")),
                "/307" => ("307 Temporary Redirect", "Location: /next?a=b\r\n".to_owned()),
                "/loop" => ("302 Found", "Location: /loop\r\n".to_owned()),
                _ => ("200 OK", String::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\n{location}Content-Length: {}\r\n\r\n{text}", text.len());
            if writer.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    deploy(
        &edge,
        "follower",
        &service,
        r#"const { path, redirect } = Object.fromEntries(new URL(request.url).searchParams);
        try {
          const response = await env.API.fetch(`http://orders.internal${path}`, { method: "POST", body: "order", redirect });
          const { status, redirected, url } = response;
          return Response.json({ status, redirected, url, location: response.headers.get("location"), text: await response.text() });
        } catch (error) {
          return Response.json(String(error));
        }"#,
    );
    let ask = |path: &str, redirect: &str| edge.get("follower", &format!("/?path={path}&redirect={redirect}")).json();
    let followed = ask("/302", "follow");
    assert_eq!(followed["text"], format!("GET /next HTTP/1.1 of 127.0.0.1:{elsewhere} with "), "{followed}");
    assert_eq!(followed["url"], format!("http://127.0.0.1:{elsewhere}/next"));
    assert_eq!([&followed["status"], &followed["redirected"]], [&json!(200), &json!(true)]);
    let kept = ask("/307", "follow");
    assert_eq!(kept["text"], "POST /next?a=b HTTP/1.1 of orders.internal with order", "{kept}");
    let manual = ask("/302", "manual");
    assert_eq!([&manual["status"], &manual["redirected"]], [&json!(302), &json!(false)], "{manual}");
    assert_eq!(manual["location"], format!("http://127.0.0.1:{elsewhere}/next"));
    assert!(ask("/302", "error").as_str().unwrap().starts_with("TypeError: Unexpected redirect"));
    assert!(ask("/loop", "follow").as_str().unwrap().contains("Too many redirects"));
}

/// Reads a chunked body with its trailers.
fn read_chunks(reader: &mut impl BufRead) -> (Vec<u8>, Vec<String>) {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let (mut body, mut trailers) = (Vec::new(), Vec::new());
    loop {
        let length = usize::from_str_radix(&line(), 16).unwrap();
        if length == 0 {
            break;
        }
        body.extend(line().into_bytes());
    }
    loop {
        match line() {
            end if end.is_empty() => return (body, trailers),
            trailer => trailers.push(trailer.to_ascii_lowercase()),
        }
    }
}

#[test]
fn trailers_pass_in_both_directions() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let (told, hearing) = channel();
    let port = private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        let head = read_head_lines(&mut reader);
        told.send((head, read_chunks(&mut reader))).unwrap();
        let answer = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n";
        writer.write_all(answer.as_bytes()).unwrap();
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    deploy(&edge, "pipe", &service, "return env.API.fetch(request);");
    let stream = connect(edge.addresses.http);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let request = "POST / HTTP/1.1\r\nHost: pipe.localhost\r\nTE: trailers\r\nTrailer: X-Digest\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Digest: 7\r\n\r\n";
    writer.write_all(request.as_bytes()).unwrap();
    let (head, (body, trailers)) = hearing.recv_timeout(PATIENCE).unwrap();
    assert!(head.contains(&"trailer: x-digest".to_owned()), "{head:?}");
    assert_eq!((body.as_slice(), trailers), (&b"hello"[..], vec!["x-digest: 7".to_owned()]));
    assert_eq!(read_head(&mut reader).status, 200);
    assert_eq!(read_chunks(&mut reader), (b"body".to_vec(), vec!["x-sum: 42".to_owned()]));
}

/// The lines of a request's head, in lower case.
fn read_head_lines(reader: &mut impl BufRead) -> Vec<String> {
    let lines = reader.by_ref().lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase()).collect()
}

#[test]
fn expect_is_answered_by_the_edge_and_goes_no_further() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let (told, hearing) = channel();
    let port = private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        let head = read_head_lines(&mut reader);
        let mut body = [0; 5];
        reader.read_exact(&mut body).unwrap();
        told.send((head, body)).unwrap();
        // Informational answers before the answer are none.
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        writer.write_all(answer.as_bytes()).unwrap();
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    deploy(&edge, "pipe", &service, "return env.API.fetch(request);");
    let mut stream: TcpStream = connect(edge.addresses.http);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head = "POST / HTTP/1.1\r\nHost: pipe.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_head(&mut reader).status, 100);
    stream.write_all(b"hello").unwrap();
    let (head, body) = hearing.recv_timeout(PATIENCE).unwrap();
    assert_eq!(&body, b"hello");
    assert!(!head.iter().any(|line| line.starts_with("expect")), "{head:?}");
    assert_eq!(read_head(&mut reader).status, 200);
}

#[test]
fn an_error_that_crosses_a_service_binding_keeps_its_facts() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = closed_port();
    let service = edge.service(&tunnel.id, "http", port, &[]);
    let inner = r#"import { WorkerEntrypoint } from "cloudflare:workers";
        export default class extends WorkerEntrypoint {
          fetch() { return this.env.API.fetch("http://x/"); }
          async call() { return (await this.env.API.fetch("http://x/")).status; }
        }"#;
    let configuration = json!({
        "main": "index.js", "compatibility_date": "2026-11-01",
        "vpc_services": [{ "binding": "API", "service_id": service }],
    });
    edge.deploy("inner", &[("index.js", inner)], &configuration.to_string(), &[]);
    let outer = r#"export default { async fetch(request, env) {
          const { pathname } = new URL(request.url);
          try {
            await (pathname === "/fetch" ? env.INNER.fetch(request) : env.INNER.call());
          } catch (error) {
            if (pathname === "/escape") throw error;
            const { message, code, category, phase, detail, retryable, service, rayId, timings } = error;
            const isError = error instanceof Error;
            return Response.json({ isError, message, code, category, phase, detail, retryable, service, rayId, timings });
          }
        } };"#;
    let configuration = json!({
        "main": "index.js", "compatibility_date": "2026-11-01",
        "services": [{ "binding": "INNER", "service": "inner" }],
    });
    edge.deploy("outer", &[("index.js", outer)], &configuration.to_string(), &[]);
    for path in ["/fetch", "/call"] {
        let caught = edge.get("outer", path).json();
        assert_eq!(caught["isError"], true, "{path}: {caught}");
        assert_eq!(caught["message"], "ProxyError: connection_refused");
        assert_eq!(
            [&caught["code"], &caught["category"], &caught["phase"]],
            ["connection_refused", "Bad Upstream", "connect"]
        );
        assert!(caught["detail"].as_str().unwrap().contains(&format!("127.0.0.1:{port} refused")), "{caught}");
        assert_eq!(caught["retryable"], true);
        assert!(caught["service"].as_str().unwrap().starts_with("inventory-"));
        assert!(caught["rayId"].is_string() && caught["timings"]["connect"].is_number(), "{caught}");
    }
    let page = edge.get("outer", "/escape");
    assert_eq!(page.status, 500);
    assert!(page.text().contains("1101"), "{}", page.text());
    let ray = page.header("cf-ray").unwrap();
    let record = edge.fact("/workers/invocations?worker=outer", |record| record["rayId"] == ray);
    let exception = &record["exceptions"][0];
    assert_eq!(exception["message"], "ProxyError: connection_refused", "{record}");
    let facts = &exception["connection"];
    assert_eq!(
        [&facts["code"], &facts["category"], &facts["phase"]],
        ["connection_refused", "Bad Upstream", "connect"]
    );
    assert!(facts["detail"].is_string() && facts["timings"]["connect"].is_number(), "{record}");
}
