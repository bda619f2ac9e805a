//! A Worker reaches a private service through a tunnel: what arrives there, and what comes back.

use std::io::{BufReader, Write};

use crate::harness::{Edge, connect, http_service, private_service, read_answer, read_chunk, read_head, read_request};

#[test]
fn the_registration_routes_and_the_url_names() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|line, headers, body| {
        let host = headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.as_str());
        format!("{line} | {} | {}", host.unwrap_or("none"), String::from_utf8_lossy(body))
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let answer = edge.visit("private-api", "POST", "/a%20b/c?d=e&f", &[], b"a body");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text(), "POST /a%20b/c?d=e&f HTTP/1.1 | inventory.internal | a body");

    let event = edge.fact("/connectivity/events", |_| true);
    assert_eq!(event["serviceId"], service.as_str(), "{event}");
}

#[test]
fn large_bodies_pass_whole_in_both_directions() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some((_, _, body)) = read_request(&mut reader) {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body)).is_err() {
                return;
            }
        }
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let body: Vec<u8> = (0..8u32 << 18).flat_map(u32::to_le_bytes).collect();
    let answer = edge.visit("private-api", "PUT", "/", &[], &body);
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "{} of {} bytes came back, or others", answer.body.len(), body.len());
}

#[test]
fn a_response_arrives_while_it_is_being_made() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    // The second chunk is sent only when the visitor has said that it has the first.
    let (go_on, gone_on) = std::sync::mpsc::channel::<()>();
    let gone_on = std::sync::Arc::new(std::sync::Mutex::new(gone_on));
    let port = private_service(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        read_request(&mut BufReader::new(stream)).unwrap();
        writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").unwrap();
        gone_on.lock().unwrap().recv().unwrap();
        writer.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let stream = connect(edge.addresses.http);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    writer.write_all(b"GET / HTTP/1.1\r\nHost: private-api.localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(read_head(&mut reader).status, 200);
    assert_eq!(read_chunk(&mut reader).unwrap(), b"first");
    go_on.send(()).unwrap();
    assert_eq!(read_chunk(&mut reader).unwrap(), b"second");
    assert_eq!(read_chunk(&mut reader), None);
}

#[test]
fn connections_to_the_service_are_kept_alive() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let accepted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = accepted.clone();
    let port = private_service(move |stream| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while read_request(&mut reader).is_some() {
            if writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
                return;
            }
        }
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let stream = connect(edge.addresses.http);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    for _ in 0..10 {
        writer.write_all(b"GET / HTTP/1.1\r\nHost: private-api.localhost\r\n\r\n").unwrap();
        assert_eq!(read_head(&mut reader).status, 204);
    }
    drop((writer, reader));
    assert_eq!(accepted.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn a_visitor_who_leaves_takes_the_private_request_along() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let (arrived, arrival) = std::sync::mpsc::channel();
    let (ended, end) = std::sync::mpsc::channel();
    let port = private_service(move |stream| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        arrived.send(()).unwrap();
        // No answer: the next thing on this connection is its end.
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut reader, &mut rest);
        ended.send(rest).unwrap();
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let mut visitor = connect(edge.addresses.http);
    visitor.write_all(b"GET / HTTP/1.1\r\nHost: private-api.localhost\r\n\r\n").unwrap();
    arrival.recv_timeout(crate::harness::PATIENCE).unwrap();
    drop(visitor);
    assert!(end.recv_timeout(crate::harness::PATIENCE).unwrap().is_empty());
    let record = edge.fact("/workers/invocations?worker=private-api", |_| true);
    assert_eq!(record["outcome"], "canceled");
}

#[test]
fn two_workers_use_one_service_and_reach_nothing_else() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let bound = http_service(|_, _, _| "bound".to_owned());
    let other = http_service(|_, _, _| "other".to_owned());
    let service = edge.service(&tunnel.id, "http", bound, &[]);
    edge.deploy(
        "prober",
        &[(
            "index.js",
            "export default { fetch: (request, env) => env.API.fetch(new URL(request.url).searchParams.get('to')) };",
        )],
        &format!(r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{{"binding": "API", "service_id": "{service}"}}]}}"#),
        &[],
    );
    for to in [
        format!("http://127.0.0.1:{other}/"),
        format!("http://localhost:{other}/x"),
        "http://169.254.169.254/".to_owned(),
    ] {
        let answer = edge.get("prober", &format!("/?to={to}"));
        assert_eq!(answer.text(), "bound", "{to}");
    }
}

#[test]
fn pipelined_visitors_get_their_own_answers() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|line, _, _| line.to_owned());
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let visitors: Vec<_> = (0..8)
        .map(|visitor| {
            let address = edge.addresses.http;
            std::thread::spawn(move || {
                for request in 0..20 {
                    let mut stream = connect(address);
                    let path = format!("/{visitor}/{request}");
                    let head =
                        format!("GET {path} HTTP/1.1\r\nHost: private-api.localhost\r\nConnection: close\r\n\r\n");
                    stream.write_all(head.as_bytes()).unwrap();
                    let answer = read_answer(&mut BufReader::new(stream));
                    assert_eq!(answer.text(), format!("GET {path} HTTP/1.1"));
                }
            })
        })
        .collect();
    for visitor in visitors {
        visitor.join().unwrap();
    }
}
