//! What a visitor of a Worker sees.

use std::io::{BufReader, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::harness::{Edge, connect, read_chunk, read_head, request};

const CONFIGURATION: &str = r#"{"main": "index.js", "compatibility_date": "2026-11-01",
    "vars": {"GREETING": "hello", "LIMITS": {"most": 3}}}"#;

#[test]
fn a_worker_of_several_modules_answers() {
    let edge = Edge::start();
    let files = [
        (
            "index.js",
            r#"import { greet } from "./lib/greet.js";
            import text from "./note.txt";
            const ready = await Promise.resolve("ready");
            export default {
              async fetch(request, env, ctx) {
                const { twice } = await import("./lib/twice.js");
                return Response.json({ greeting: greet(env.GREETING), most: twice(env.LIMITS.most), text, ready,
                                       path: new URL(request.url).pathname });
              },
            };"#,
        ),
        ("lib/greet.js", "export const greet = (word) => `${word}, world`;"),
        ("lib/twice.js", "export const twice = (number) => number * 2;"),
        ("note.txt", "a note"),
    ];
    edge.deploy("modules", &files, CONFIGURATION, &[]);
    let answer = edge.get("modules", "/a/b?c");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({"greeting": "hello, world", "most": 6, "text": "a note", "ready": "ready", "path": "/a/b"})
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn bodies_stream_both_ways() {
    let edge = Edge::start();
    // Each chunk of the request is answered before the next one is sent: nothing on the way may wait for the end.
    edge.deploy_module(
        "upper",
        r#"export default { fetch(request) {
             const upper = new TransformStream({ transform(chunk, controller) {
               controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase())); } });
             return new Response(request.body.pipeThrough(upper)); } };"#,
    );
    let stream = connect(edge.addresses.http);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    writer.write_all(b"POST / HTTP/1.1\r\nHost: upper.localhost\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    writer.write_all(b"5\r\nfirst\r\n").unwrap();
    assert_eq!(read_head(&mut reader).status, 200);
    assert_eq!(read_chunk(&mut reader).unwrap(), b"FIRST");
    writer.write_all(b"6\r\nsecond\r\n").unwrap();
    assert_eq!(read_chunk(&mut reader).unwrap(), b"SECOND");
    writer.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(read_chunk(&mut reader), None);
}

#[test]
fn wait_until_and_console_are_in_the_record() {
    let edge = Edge::start();
    edge.deploy_module(
        "logs",
        r#"export default { fetch(request, env, ctx) {
             console.log("first", { a: 1 });
             ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 20)).then(() => console.warn("after the response")));
             return new Response("done"); } };"#,
    );
    assert_eq!(edge.get("logs", "/").text(), "done");
    let record = edge.fact("/workers/invocations?worker=logs", |_| true);
    assert_eq!(record["outcome"], "ok");
    let lines: Vec<_> =
        record["logs"].as_array().unwrap().iter().map(|line| (&line["level"], &line["message"])).collect();
    assert_eq!(lines, [(&json!("log"), &json!(["first", {"a": 1}])), (&json!("warn"), &json!(["after the response"]))]);
}

#[test]
fn an_unknown_host_is_told_what_to_do() {
    let edge = Edge::start();
    let answer = edge.visit("nobody", "GET", "/", &[("Accept", "text/html")], b"");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("nobody.localhost"), "{}", answer.text());
}

#[test]
fn deployments_under_traffic_drop_no_request_and_leave_no_old_code() {
    let edge = Edge::start();
    let deploy = |number: usize| {
        edge.deploy_module("shop", &format!("export default {{ fetch: () => new Response('{number}') }};"))
    };
    deploy(0);
    let (deployed, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let visits = thread::scope(|scope| {
        let visitors = [0; 3].map(|_| {
            scope.spawn(|| {
                let mut visits = 0;
                while !ended.load(Ordering::SeqCst) {
                    let acknowledged = deployed.load(Ordering::SeqCst);
                    let answer = edge.get("shop", "/");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let said: usize = answer.text().parse().unwrap();
                    assert!(said >= acknowledged, "{said} after {acknowledged} was deployed");
                    visits += 1;
                }
                visits
            })
        });
        for number in 1..=12 {
            deploy(number);
            deployed.store(number, Ordering::SeqCst);
            assert_eq!(edge.get("shop", "/").text(), number.to_string());
        }
        ended.store(true, Ordering::SeqCst);
        visitors.map(|visitor| visitor.join().unwrap())
    });
    assert!(visits.iter().all(|visits| *visits > 0), "{visits:?}");
}

#[test]
fn plain_fetch_does_not_reach_private_addresses() {
    let edge = Edge::start();
    edge.deploy_module(
        "ssrf",
        r#"export default { async fetch(request) {
             try { return await fetch(new URL(request.url).searchParams.get("to")); }
             catch (error) { return new Response(String(error), { status: 502 }); } } };"#,
    );
    let api = edge.addresses.api;
    for to in
        [format!("http://{api}/healthz"), format!("http://localhost:{}/healthz", api.port()), "http://[::1]/".into()]
    {
        let answer = edge.get("ssrf", &format!("/?to={to}"));
        assert_eq!(answer.status, 502, "{to}");
        assert!(answer.text().contains("public network only"), "{to}: {}", answer.text());
    }
}

#[test]
fn the_api_says_that_it_is_up() {
    let edge = Edge::start();
    assert_eq!(request(edge.addresses.api, "GET", "/healthz", &[], b"").status, 200);
}
