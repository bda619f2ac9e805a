//! Workers that call other Workers, in the program as it runs.

use std::io::{BufReader, Write};

use serde_json::json;

use crate::harness::{Edge, private_service, read_request};

const CALLEE: &str = r#"
import { WorkerEntrypoint } from "cloudflare:workers";
export class Stock extends WorkerEntrypoint {
  async count(item) { return { item, left: 7, props: this.ctx.props, caller: typeof this.env.PRIVATE_API }; }
  broken() { return this.env.PRIVATE_API.fetch("http://stock.internal/").then((response) => response.text()); }
}
export default { fetch: (request) => new Response(`callee ${new URL(request.url).pathname}`, { status: 202 }) };
"#;

const CALLER: &str = r#"
export default { async fetch(request, env) {
  const { pathname } = new URL(request.url);
  if (pathname === "/count") return Response.json(await env.STOCK.count("bolt"));
  if (pathname === "/broken") {
    try { return new Response(await env.STOCK.broken()); }
    catch (error) { return Response.json({ message: error.message, code: error.code, phase: error.phase }, { status: 503 }); }
  }
  return env.CALLEE.fetch(request);
} };
"#;

#[test]
fn a_worker_calls_another_and_keeps_the_facts_of_its_failures() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|stream| {
        let mut writer = stream.try_clone().unwrap();
        read_request(&mut BufReader::new(stream));
        let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-");
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    let configuration = json!({"main": "index.js", "compatibility_date": "2026-11-01",
        "vpc_services": [{"binding": "PRIVATE_API", "service_id": service}]});
    edge.deploy("stock", &[("index.js", CALLEE)], &configuration.to_string(), &[]);
    let configuration = json!({"main": "index.js", "compatibility_date": "2026-11-01", "services": [
        {"binding": "CALLEE", "service": "stock"},
        {"binding": "STOCK", "service": "stock", "entrypoint": "Stock", "props": {"role": "clerk"}}]});
    edge.deploy("shop", &[("index.js", CALLER)], &configuration.to_string(), &[]);

    let answer = edge.get("shop", "/path");
    assert_eq!((answer.status, answer.text().as_str()), (202, "callee /path"));
    let expected = json!({"item": "bolt", "left": 7, "props": {"role": "clerk"}, "caller": "object"});
    assert_eq!(edge.get("shop", "/count").json(), expected);
    let answer = edge.get("shop", "/broken");
    assert_eq!(answer.status, 503);
    let error = answer.json();
    let expected =
        json!({"message": "ProxyError: connection_terminated", "code": "connection_terminated", "phase": "head"});
    assert_eq!(error, expected);

    let record = edge.fact("/workers/invocations?worker=stock", |record| record["event"]["rpcMethod"] == "count");
    assert_eq!((&record["eventType"], &record["entrypoint"]), (&json!("rpc"), &json!("Stock")));
    let caller = edge.fact("/workers/invocations?worker=shop", |fact| fact["rayId"] == record["rayId"]);
    assert_eq!(caller["subrequests"][0]["target"], "STOCK");

    // The next deployment of the one that is called is called at once.
    edge.deploy_module("stock", "export class Stock {}; export default { fetch: () => new Response('new') };");
    assert_eq!(edge.get("shop", "/path").text(), "new");
}
