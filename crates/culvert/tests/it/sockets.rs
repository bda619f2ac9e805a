//! `connect()`: from a Worker to a TCP service through a tunnel, and to the public network.

use std::io::{Read, Write};

use serde_json::Value;

use crate::harness::{Edge, private_service};

/// Deploys a Worker that runs `work` with `connect` and `env`, and answers with what it gives, as JSON.
fn deploy(edge: &Edge, name: &str, bindings: &str, work: &str) {
    let module = format!(
        r#"import {{ connect }} from "cloudflare:sockets";
        const caught = (promise) => promise.then((value) => value, (error) => ({{ caught: String(error), phase: error.phase }}));
        const heard = async (socket) => (await new Response(socket.readable).text());
        const say = async (socket, text) => {{
          const writer = socket.writable.getWriter();
          await writer.write(new TextEncoder().encode(text));
          writer.releaseLock();
        }};
        export default {{ async fetch(request, env) {{ {work} }} }};"#
    );
    let configuration = format!(r#"{{"main": "index.js", "compatibility_date": "2026-11-01", {bindings}}}"#);
    edge.deploy(name, &[("index.js", &module)], &configuration, &[]);
}

fn tcp_service(edge: &Edge, tunnel: &str, port: u16, extra: &[&str]) -> String {
    let port = port.to_string();
    let fixed = ["vpc", "service", "create", "db", "--type", "tcp", "--tunnel-id", tunnel, "--tcp-port", &port];
    let service = edge.json(&[&fixed[..], &["--ipv4", "127.0.0.1", "--app-protocol", "postgresql"], extra].concat());
    service["service_id"].as_str().unwrap().to_owned()
}

fn bound(service: &str) -> String {
    format!(r#""vpc_services": [{{"binding": "DB", "service_id": "{service}"}}]"#)
}

#[test]
fn a_tcp_service_is_reached_whatever_address_is_named() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    // Says what it heard, backwards, once the other side has ended.
    let port = private_service(|mut stream| {
        let mut heard = Vec::new();
        if stream.read_to_end(&mut heard).is_ok() {
            heard.reverse();
            let _ = stream.write_all(&heard);
        }
    });
    let service = tcp_service(&edge, &tunnel.id, port, &[]);
    deploy(
        &edge,
        "client",
        &bound(&service),
        r#"const socket = env.DB.connect("169.254.169.254:80", { allowHalfOpen: true });
        const { remoteAddress } = await socket.opened;
        await say(socket, "abc");
        await socket.writable.close();
        const answer = await heard(socket);
        await socket.closed;
        return Response.json({ answer, remoteAddress });"#,
    );
    let answer = edge.get("client", "/").json();
    assert_eq!(answer["answer"], "cba", "{answer}");
    assert_eq!(answer["remoteAddress"], format!("127.0.0.1:{port}"));
    let event = edge.fact("/connectivity/events?worker=client", |_| true);
    assert_eq!((&event["serviceId"], &event["code"]), (&Value::from(service), &Value::Null), "{event}");
    let record = edge.fact("/workers/invocations?worker=client", |_| true);
    assert_eq!(record["subrequests"][0]["method"], "CONNECT", "{record}");
}

#[test]
fn close_delivers_what_was_written() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let (told, hearing) = std::sync::mpsc::channel();
    let port = private_service(move |mut stream| {
        let mut all = Vec::new();
        let _ = stream.write_all(b"a greeting that nobody reads");
        let _ = stream.read_to_end(&mut all);
        told.send(all.len()).unwrap();
    });
    let service = tcp_service(&edge, &tunnel.id, port, &[]);
    deploy(
        &edge,
        "client",
        &bound(&service),
        r#"const socket = env.DB.connect("db:1");
        const writer = socket.writable.getWriter();
        for (let i = 0; i < 64; i++) writer.write(new Uint8Array(16384));
        await socket.close();
        return Response.json(await caught(socket.closed) ?? "closed");"#,
    );
    assert_eq!(edge.get("client", "/").json(), "closed");
    assert_eq!(hearing.recv_timeout(crate::harness::PATIENCE).unwrap(), 64 * 16384);
}

#[test]
fn that_the_service_is_gone_is_noticed_without_reading() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    // Goes away as soon as it has heard the first byte.
    let port = private_service(|mut stream| {
        let _ = stream.read(&mut [0]);
    });
    let service = tcp_service(&edge, &tunnel.id, port, &[]);
    deploy(
        &edge,
        "client",
        &bound(&service),
        r#"const socket = env.DB.connect("db:1");
        await say(socket, "x");
        return Response.json(await caught(socket.closed) ?? "closed");"#,
    );
    assert_eq!(edge.get("client", "/").json(), "closed");
}

#[test]
fn failures_have_their_names() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let closed = crate::failures::closed_port();
    let service = tcp_service(&edge, &tunnel.id, closed, &[]);
    let work = r#"const socket = env.DB.connect("db:1");
        return Response.json([await caught(socket.opened), await caught(socket.readable.getReader().read()), await caught(socket.closed)]);"#;
    deploy(&edge, "client", &bound(&service), work);
    let answer = edge.get("client", "/").json();
    for failure in answer.as_array().unwrap() {
        assert_eq!(failure["caught"], "Error: ProxyError: connection_refused", "{answer}");
        assert_eq!(failure["phase"], "connect");
    }
    edge.fact("/connectivity/events?code=connection_refused&worker=client", |_| true);

    // fetch() is for HTTP services, connect() for TCP ones.
    let http = edge.service(&tunnel.id, "http", closed, &[]);
    deploy(&edge, "client", &bound(&http), work);
    assert_eq!(edge.get("client", "/").json()[0]["caught"], "Error: ProxyError: http_request_denied");
}

#[test]
fn a_reset_is_connection_terminated() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|mut stream| {
        let mut byte = [0];
        let _ = stream.write_all(b"x");
        let _ = stream.read(&mut byte);
        // Unread bytes make the close a reset.
    });
    let service = tcp_service(&edge, &tunnel.id, port, &[]);
    deploy(
        &edge,
        "client",
        &bound(&service),
        r#"const socket = env.DB.connect("db:1", { allowHalfOpen: true });
        const reader = socket.readable.getReader();
        await reader.read();
        await say(socket, "two bytes and more");
        return Response.json(await caught(reader.read()));"#,
    );
    let answer = edge.get("client", "/").json();
    assert_eq!(answer["caught"], "Error: ProxyError: connection_terminated", "{answer}");
    edge.fact("/connectivity/events?code=connection_terminated&worker=client", |_| true);
}

#[test]
fn tls_is_checked_as_the_service_says() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let Some((_server, port)) = crate::failures::openssl_server(edge.directory.path()) else { return };
    let strict = tcp_service(&edge, &tunnel.id, port, &[]);
    let on = r#"const socket = env.DB.connect("inventory.internal:1", { secureTransport: "on" });
        await say(socket, "GET / HTTP/1.0\r\n\r\n").catch(() => {});
        return Response.json((await caught(socket.opened)).caught ?? (await heard(socket)).slice(0, 15));"#;
    deploy(&edge, "client", &bound(&strict), on);
    assert_eq!(edge.get("client", "/").json(), "Error: ProxyError: tls_certificate_error");
    let arguments =
        ["vpc", "service", "create", "lax", "--type", "tcp", "--tunnel-id", &tunnel.id, "--ipv4", "127.0.0.1"];
    let more = ["--tcp-port", &port.to_string(), "--cert-verification-mode", "disabled"];
    let lax = edge.json(&[&arguments[..], &more[..]].concat())["service_id"].as_str().unwrap().to_owned();
    deploy(&edge, "client", &bound(&lax), on);
    assert_eq!(edge.get("client", "/").json(), "HTTP/1.0 200 ok");
}

#[test]
fn plain_connect_stays_out_of_private_networks() {
    let edge = Edge::start();
    let port = private_service(|mut stream| {
        let _ = stream.write_all(b"hello");
    });
    deploy(
        &edge,
        "client",
        r#""vars": {}"#,
        r#"const to = new URL(request.url).searchParams.get("to");
        const socket = connect(to);
        return Response.json((await caught(socket.opened)).caught ?? await heard(socket));"#,
    );
    let ask = |edge: &Edge, to: &str| edge.get("client", &format!("/?to={to}")).json().as_str().unwrap().to_owned();
    for to in
        [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "10.0.0.1:80".to_owned(), "[::1]:80".to_owned()]
    {
        let answer = ask(&edge, &to);
        assert!(answer.contains("public network only"), "{to}: {answer}");
    }
    assert!(ask(&edge, "192.0.2.1:25").contains("port 25"));

    let edge = edge.restart_with(&["--allow-private-fetch"]);
    assert_eq!(ask(&edge, &format!("127.0.0.1:{port}")), "hello");
    let own = edge.addresses.http.to_string();
    assert!(ask(&edge, &own).contains("TCP Loop detected"));
    let refused = ask(&edge, &format!("127.0.0.1:{}", crate::failures::closed_port()));
    assert!(refused.contains("cannot connect to the specified address"), "{refused}");
}
