//! VPC Networks: the URL picks the target behind a tunnel, within what may be reached. In a network namespace, because a URL must not
//! choose loopback.

use std::io::{BufReader, Write};
use std::net::Ipv4Addr;

use crate::harness::{Edge, read_request, service_at};
use crate::namespace::in_namespace;

/// A host of the private network.
const INSIDE: &str = "10.99.0.5";
const SETUP: &str = "ip address add 10.99.0.5/32 dev lo && ip address add 10.98.0.5/32 dev lo";

/// Answers a request with its own address.
fn host(address: &str) -> u16 {
    let address: Ipv4Addr = address.parse().unwrap();
    service_at(address, move |mut stream| {
        // An answer to what was not asked yet, and the end of the connection after it, may overtake the question.
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        let text = format!("here is {address}");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
        let _ = stream.write_all(answer.as_bytes());
    })
}

fn deploy(edge: &Edge, network: &str) {
    let module = r#"export default { async fetch(request, env) {
        const to = new URL(request.url).searchParams.get("to");
        try {
          if (to.startsWith("http")) return Response.json(await (await env.NET.fetch(to)).text());
          const socket = env.NET.connect(to);
          await socket.writable.getWriter().write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
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
    // Metrics know networks as they know services.
    let metrics = edge.api("/connectivity/metrics?by=service&quantiles=true");
    assert_eq!(metrics["groups"][0]["key"]["service"], tunnel.id.as_str(), "{metrics}");
    assert_eq!(metrics["groups"][0]["key"]["service_name"], "private");
    assert!(metrics["groups"][0]["connect"]["p50"].is_number(), "{metrics}");
    for to in [format!("http://127.0.0.1:{port}/"), "http://169.254.169.254/".to_owned(), format!("127.0.0.1:{port}")] {
        let answer = ask(&edge, &to);
        assert!(answer.starts_with("destination_ip_prohibited route: "), "{to}: {answer}");
    }
}

#[test]
fn routes_say_what_is_behind_which_tunnel() {
    if !in_namespace("networks::routes_say_what_is_behind_which_tunnel", SETUP) {
        return;
    }
    let edge = Edge::start();
    let wide = edge.named_tunnel("wide", &[]);
    let narrow = edge.named_tunnel("narrow", &[]);
    let (inside, other) = (host(INSIDE), host("10.98.0.5"));
    let route = |tunnel: &str, to: &str| edge.json(&["tunnel", "route", "add", tunnel, to, "--comment", "for tests"]);

    // Two tunnels and no routes: nobody can say which.
    deploy(&edge, r#""network_id": "cf1:network""#);
    let inside_url = format!("http://{INSIDE}:{inside}/");
    let other_url = format!("http://10.98.0.5:{other}/");
    assert!(ask(&edge, &inside_url).starts_with("destination_not_found route: "));

    // The narrowest range wins.
    let all = route("wide", "10.1.2.3/8");
    assert_eq!([&all["network"], &all["tunnel_name"]], ["10.0.0.0/8", "wide"]);
    assert_eq!(ask(&edge, &inside_url), "here is 10.99.0.5");
    edge.fact("/connectivity/events?worker=prober", |event| event["tunnelId"] == wide.id.as_str());
    let range = route("narrow", "10.99.0.0/16");
    assert_eq!(ask(&edge, &inside_url), "here is 10.99.0.5");
    edge.fact("/connectivity/events?worker=prober", |event| event["tunnelId"] == narrow.id.as_str());
    assert_eq!(ask(&edge, &format!("{INSIDE}:{inside}")), "here is 10.99.0.5");
    assert_eq!(ask(&edge, &other_url), "here is 10.98.0.5");

    // A name goes where its route leads, and without one nowhere: its ranges are behind two tunnels.
    let named = format!("http://db.internal:{inside}/");
    assert!(
        ask(&edge, &named)
            .starts_with("destination_not_found route: No route of the network `cf1:network` covers db.internal")
    );

    // One tunnel's network is confined to its routes.
    deploy(&edge, &format!(r#""tunnel_id": "{}""#, narrow.id));
    assert_eq!(ask(&edge, &inside_url), "here is 10.99.0.5");
    let refused = ask(&edge, &other_url);
    assert!(
        refused.starts_with("destination_not_found route: No route of the network `narrow` covers 10.98.0.5"),
        "{refused}"
    );

    // What is used is not deleted by accident, and of one destination there is one route.
    let taken = edge.run(&["tunnel", "route", "add", "wide", "10.99.0.0/16"]);
    assert_eq!(taken.status.code(), Some(1), "{taken:?}");
    let in_use = edge.run(&["tunnel", "delete", "wide"]);
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("10.0.0.0/8"), "{in_use:?}");
    let listed = edge.json(&["tunnel", "route", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    edge.json(&["tunnel", "route", "delete", range["id"].as_str().unwrap()]);
    // Without a route it reaches whatever its connector reaches.
    assert_eq!(ask(&edge, &other_url), "here is 10.98.0.5");
    let hostname = route("narrow", "*.Internal.");
    assert_eq!(hostname["hostname"], "*.internal");
    assert!(ask(&edge, &other_url).starts_with("destination_not_found"));
}
