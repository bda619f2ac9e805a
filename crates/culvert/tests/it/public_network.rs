//! Plain `fetch()` and `connect()` reach the public network and never a private one, whatever a redirect or a resolver says. In a network
//! namespace that has a public address, a private one, and a resolver of its own.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Edge, private_service, read_request, service_at};
use crate::namespace::in_namespace;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 5);
const SETUP: &str = "for host in 8.8.8.8 10.99.0.5; do ip address add $host/32 dev lo; done && \
    echo 'nameserver 8.8.8.8' >\"$READY.resolv\" && mount --bind \"$READY.resolv\" /etc/resolv.conf";

const WORKER: &str = r#"import { connect } from "cloudflare:sockets";
export default { async fetch(request) {
  const { search } = new URL(request.url);
  const [how, to] = [search.slice(1, 8), search.slice(9)];
  try {
    if (how === "connect") {
      const socket = connect(to);
      await socket.opened;
      await socket.close();
      return new Response("connected");
    }
    return new Response(await (await fetch(to)).text());
  } catch (error) {
    return new Response(`refused: ${error.message}`);
  }
} };"#;

/// Answers what has `inside` in its name with the private address, `both` with both, `moving` with the public one until it has moved.
fn resolver(moved: Arc<AtomicBool>) {
    let socket = UdpSocket::bind((PUBLIC, 53)).unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let query = &query[..length];
            // A header of 12 bytes, a name that ends with an empty label, and its type and class.
            let Some(end) = query.iter().skip(12).position(|byte| *byte == 0).map(|end| 12 + end + 5) else { continue };
            let Some(question) = query.get(12..end) else { continue };
            let has = |name: &str| question.windows(name.len()).any(|part| part == name.as_bytes());
            let addresses = match () {
                () if question[question.len() - 3] != 1 => vec![],
                () if has("inside") => vec![PRIVATE],
                () if has("both") => vec![PRIVATE, PUBLIC],
                () if moved.load(Ordering::SeqCst) => vec![PRIVATE],
                () => vec![PUBLIC],
            };
            let mut answer =
                [&query[..2], &[0x81, 0x80, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0], question].concat();
            for address in addresses {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                answer.extend(address.octets());
            }
            let _ = socket.send_to(&answer, from);
        }
    });
}

#[test]
fn nothing_enters_a_private_network_by_accident() {
    if !in_namespace("public_network::nothing_enters_a_private_network_by_accident", SETUP) {
        return;
    }
    let moved = Arc::new(AtomicBool::new(false));
    resolver(moved.clone());
    // Redirects to what comes after `/to/`.
    let public = service_at(PUBLIC, |mut stream| {
        let Some((line, ..)) = read_request(&mut BufReader::new(stream.try_clone().unwrap())) else { return };
        let answer = match line.split(' ').nth(1).and_then(|path| path.strip_prefix("/to/")) {
            Some(to) => {
                format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            None => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\npublic".to_owned(),
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    let entered = Arc::new(AtomicUsize::new(0));
    let counter = entered.clone();
    let count = move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    };
    let inside = service_at(PRIVATE, count.clone());
    let loopback = private_service(count);

    let edge = Edge::start();
    edge.deploy_module("client", WORKER);
    let ask = |how: &str, to: &str| edge.get("client", &format!("/?{how}={to}")).text();
    let fetch = |to: &str| ask("fetch:.", to);
    assert_eq!(fetch(&format!("http://{PUBLIC}:{public}/")), "public");
    assert_eq!(fetch(&format!("http://{PUBLIC}:{public}/to/http://both.test:{public}/")), "public");
    assert_eq!(ask("connect", &format!("both.test:{public}")), "connected");
    let refused = |answer: String| {
        assert!(answer.starts_with("refused: ") && answer.contains("reaches the public network only"), "{answer}");
    };
    for host in [
        format!("{PRIVATE}:{inside}"),
        format!("127.0.0.1:{loopback}"),
        format!("inside.test:{inside}"),
        "[::1]:80".to_owned(),
    ] {
        refused(fetch(&format!("http://{host}/")));
        refused(fetch(&format!("http://{PUBLIC}:{public}/to/http://{host}/")));
        refused(ask("connect", &host));
    }
    refused(fetch(&format!("http://[::ffff:{PRIVATE}]:{inside}/")));
    // Other ways to write an address.
    refused(fetch(&format!("http://{}:{inside}/", u32::from(PRIVATE))));
    refused(fetch(&format!("http://0x7f.1:{loopback}/")));

    // A name that was public when it was first asked for.
    let moving = format!("moving.test:{public}");
    assert_eq!(fetch(&format!("http://{moving}/")), "public");
    moved.store(true, Ordering::SeqCst);
    refused(fetch(&format!("http://moving.test:{inside}/")));
    refused(fetch(&format!("http://{moving}/")));
    refused(ask("connect", &format!("moving.test:{inside}")));
    assert_eq!(entered.load(Ordering::SeqCst), 0);
}
