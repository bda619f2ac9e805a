//! VPC Networks: the URL picks the target behind a tunnel, within what may be reached. In a network namespace, because a URL must not
//! choose loopback.

use std::io::Write;
use std::net::Ipv4Addr;

use crate::harness::{Edge, service_at};
use crate::namespace::in_namespace;

/// A host of the private network.
const INSIDE: &str = "10.99.0.5";
const SETUP: &str = "ip address add 10.99.0.5/32 dev lo && ip address add 10.98.0.5/32 dev lo";

/// Answers every connection with its own address.
fn host(address: &str) -> u16 {
    let address: Ipv4Addr = address.parse().unwrap();
    service_at(address, move |mut stream| {
        let text = format!("here is {address}");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
        let _ = stream.write_all(answer.as_bytes());
        // Reads the request, so that closing is no reset.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    })
}

fn deploy(edge: &Edge, network: &str) {
    let module = r#"export default { async fetch(request, env) {
        const to = new URL(request.url).searchParams.get("to");
        try {
          if (to.startsWith("http")) return Response.json(await (await env.NET.fetch(to)).text());
          const socket = env.NET.connect(to);
          await socket.writable.close();
          return Response.json((await new Response(socket.readable).text()).split("\r\n\r\n")[1]);
        } catch (error) {
          return Response.json(`${error.code} ${error.phase}: ${error.detail}`);
        }
      } };"#;
    let configuration = format!(
        r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_networks": [{{"binding": "NET", {network}}}]}}"#
    );
    edge.deploy("prober", &[("index.js", module)], &configuration, &[]);
}

fn ask(edge: &Edge, to: &str) -> String {
    edge.get("prober", &format!("/?to={to}")).json().as_str().unwrap().to_owned()
}

#[test]
fn the_url_picks_the_target_behind_a_tunnel() {
    if !in_namespace("networks::the_url_picks_the_target_behind_a_tunnel", SETUP) {
        return;
    }
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = host(INSIDE);
    deploy(&edge, &format!(r#""tunnel_id": "{}""#, tunnel.id));
    assert_eq!(ask(&edge, &format!("http://{INSIDE}:{port}/")), "here is 10.99.0.5");
    assert_eq!(ask(&edge, &format!("{INSIDE}:{port}")), "here is 10.99.0.5");
    let event = edge.fact("/connectivity/events?worker=prober", |_| true);
    assert_eq!(event["serviceId"], tunnel.id.as_str(), "{event}");
    for to in [format!("http://127.0.0.1:{port}/"), "http://169.254.169.254/".to_owned(), format!("127.0.0.1:{port}")] {
        let answer = ask(&edge, &to);
        assert!(answer.starts_with("destination_ip_prohibited route: "), "{to}: {answer}");
    }
}
