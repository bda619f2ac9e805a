//! Private services at host names of their own: published through a tunnel, reached by visitors without a Worker.

use std::io::{BufReader, Read, Write};

use crate::harness::{Answer, Edge, connect, http_service, private_service, read_head, read_request, request};

fn visit(edge: &Edge, host: &str, path: &str) -> Answer {
    request(edge.addresses.http, "GET", path, &[("Host", host)], b"")
}

#[test]
fn a_published_service_answers_its_visitors() {
    let edge = Edge::start();
    let id = edge.json(&["tunnel", "create", "private"])["id"].as_str().unwrap().to_owned();
    let port = http_service(|line, headers, body| {
        let header = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        format!(
            "{line} | {} | {} | {}",
            header("host").unwrap_or("none"),
            header("cf-connecting-ip").unwrap_or("none"),
            body.len()
        )
    });
    let service = format!("http://127.0.0.1:{port}");
    edge.json(&["tunnel", "publish", "private", "app.example.test", "--service", &service]);
    edge.json(&["tunnel", "publish", "private", "*.apps.example.test", "--service", &service]);

    let answer = visit(&edge, "app.example.test", "/");
    assert_eq!((answer.status, answer.text().as_str()), (530, "error code: 1033"), "nobody is connected");
    assert!(answer.header("cf-ray").is_some());

    let _connector = edge.connect(&id, &[]);
    let answer = visit(&edge, "APP.example.test", "/a%20b?c=d");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text(), "GET /a%20b?c=d HTTP/1.1 | app.example.test | 127.0.0.1 | 0");
    assert!(answer.header("cf-ray").is_some());
    assert_eq!(visit(&edge, "x.apps.example.test", "/").status, 200);
    assert_eq!(visit(&edge, "apps.example.test", "/").status, 404);
    let body = vec![7; 300_000];
    let answer = request(edge.addresses.http, "POST", "/up", &[("Host", "app.example.test")], &body);
    assert!(answer.text().ends_with("| 300000"), "{}", answer.text());

    // A change reaches connectors that are connected.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    edge.json(&["tunnel", "publish", "private", "app.example.test", "--service", &format!("http://{nobody}")]);
    let answer = visit(&edge, "app.example.test", "/");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(edge.log().contains("connection refused"), "the log has the reason");

    // Each visit was an attempt, and is found as one.
    let attempts = format!("/connectivity/events?tunnel={id}");
    let disconnected = edge.fact(&format!("{attempts}&code=destination_unavailable"), |_| true);
    assert!(disconnected.get("connectorId").is_none_or(|connector| connector.is_null()), "{disconnected}");
    let refused = edge.fact(&format!("{attempts}&code=connection_refused"), |_| true);
    assert_eq!((refused["serviceName"].as_str(), refused["serviceId"].as_str()), (Some("private"), Some(&*id)));
    assert!(refused["detail"].as_str().unwrap().contains("app.example.test"), "{refused}");
    let connector = refused["connectorId"].as_str().expect("who was asked");
    let answered = edge.fact(&format!("{attempts}&connector={connector}&code=none"), |event| event["status"] == 200);
    assert!(answered["timings"]["head"].as_f64().is_some_and(|milliseconds| milliseconds > 0.0), "{answered}");
    let metrics = edge.api(&format!("/connectivity/metrics?tunnel={id}&by=code"));
    let counts = |code: Option<&str>| {
        let groups = metrics["groups"].as_array().unwrap();
        groups.iter().find(|group| group["key"]["code"].as_str() == code).map(|group| group["count"].as_u64().unwrap())
    };
    assert_eq!(
        (counts(None), counts(Some("connection_refused")), counts(Some("destination_unavailable"))),
        (Some(3), Some(1), Some(1)),
        "{metrics}"
    );

    edge.json(&["tunnel", "unpublish", "private", "app.example.test"]);
    assert_eq!(visit(&edge, "app.example.test", "/").text(), "error code: 1022");
}

#[test]
fn a_host_name_leads_to_one_place() {
    let edge = Edge::start();
    for name in ["first", "second"] {
        edge.json(&["tunnel", "create", name]);
    }
    edge.json(&["tunnel", "publish", "first", "app.example.test", "--service", "http://127.0.0.1:9"]);
    for extra in [&["--service", "http://127.0.0.1:9"][..], &[]] {
        let refused = edge.run(&[&["tunnel", "publish", "second", "app.example.test"], extra].concat());
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains("tunnel \"first\""), "{said}");
    }
    edge.json(&["tunnel", "publish", "second", "other.example.test"]);
    let id = edge.json(&["tunnel", "list"]);
    let id = id.as_array().unwrap().iter().find(|tunnel| tunnel["name"] == "second").unwrap()["id"].clone();
    let names = edge.api(&format!("/cfd_tunnel/{}/hostnames", id.as_str().unwrap()));
    assert_eq!(names, serde_json::json!([{ "hostname": "other.example.test", "source": "route" }]));
    let refused = edge.run(&["tunnel", "publish", "second", "not a name", "--service", "http://127.0.0.1:9"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("is not a host name"));
}

#[test]
fn a_websocket_reaches_its_service() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    // Answers the handshake and gives back what it gets; frames are the two sides' business.
    let port = private_service(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        let (_, headers, _) = read_request(&mut reader).unwrap();
        assert!(headers.contains(&("upgrade".to_owned(), "websocket".to_owned())), "{headers:?}");
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello";
        writer.write_all(head.as_bytes()).unwrap();
        let mut bytes = [0; 64];
        while let Ok(length) = reader.read(&mut bytes)
            && length > 0
        {
            writer.write_all(&bytes[..length]).unwrap();
        }
    });
    let service = format!("http://127.0.0.1:{port}");
    edge.json(&["tunnel", "publish", &tunnel.id, "live.example.test", "--service", &service]);
    let stream = connect(edge.addresses.http);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    writer
        .write_all(b"GET /live HTTP/1.1\r\nHost: live.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n")
        .unwrap();
    let head = read_head(&mut reader);
    assert_eq!(
        (head.status, head.header("sec-websocket-accept")),
        (101, Some("OEPSNnbvaxYns+EYSv7+c2kBj+o=")),
        "{head:?}"
    );
    let mut hello = [0; 5];
    reader.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
    for _ in 0..3 {
        writer.write_all(b"\x81\x85\0\0\0\0frame").unwrap();
        let mut frame = [0; 11];
        reader.read_exact(&mut frame).unwrap();
        assert_eq!(&frame[6..], b"frame");
    }
    writer.shutdown(std::net::Shutdown::Both).unwrap();
}

#[test]
fn a_worker_goes_before_a_tunnel() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "the service".to_owned());
    let service = format!("http://127.0.0.1:{port}");
    edge.json(&["tunnel", "publish", &tunnel.id, "app.localhost", "--service", &service]);
    assert_eq!(visit(&edge, "app.localhost", "/").text(), "the service");
    edge.deploy_module("app", "export default { fetch: () => new Response('the Worker') };");
    assert_eq!(visit(&edge, "app.localhost", "/").text(), "the Worker");
}
