//! `culvert tail`: what a Worker does, as it does it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Edge, PATIENCE, Process, culvert};

const TALKATIVE: &str = r#"
export default {
  async fetch(request) {
    console.log("asked for", new URL(request.url).pathname);
    if (request.url.endsWith("/throw")) throw new TypeError("as asked");
    return new Response("done");
  },
};
"#;

/// A running `culvert tail`, with what it prints.
struct Tail {
    process: Process,
    lines: Receiver<String>,
}

fn read(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Tail {
    /// Starts one, and waits until it hears.
    fn start(edge: &Edge, arguments: &[&str]) -> Self {
        let mut child: Child = culvert()
            .args(["tail", "talkative", "--api", &format!("http://{}", edge.addresses.api), "--data-dir"])
            .arg(edge.data())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = read(child.stdout.take().unwrap());
        let notices = read(child.stderr.take().unwrap());
        let tail = Self { process: Process(child), lines };
        assert!(notices.recv_timeout(PATIENCE).unwrap().contains("waiting for requests"));
        tail
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn events_are_printed_as_they_come() {
    let edge = Edge::start();
    edge.deploy_module("talkative", TALKATIVE);
    let tail = Tail::start(&edge, &[]);
    assert_eq!(edge.get("talkative", "/one").text(), "done");
    let first = tail.next();
    assert!(first.contains("talkative  ok  GET http://talkative.localhost") && first.contains("/one 200"), "{first}");
    assert_eq!(tail.next(), "    log: asked for /one");
    assert_eq!(edge.get("talkative", "/throw").status, 500);
    assert!(tail.next().contains("exception"));
    assert_eq!(tail.next(), "    log: asked for /throw");
    assert_eq!(tail.next(), "    uncaught TypeError: as asked");

    // Ctrl-C ends it in order, and the edge knows at once.
    let mut tail = tail;
    tail.process.signal("-INT");
    assert!(tail.process.0.wait().unwrap().success());
}

#[test]
fn filters_are_the_edges_and_json_is_whole() {
    let edge = Edge::start();
    edge.deploy_module("talkative", TALKATIVE);
    let tail = Tail::start(&edge, &["--status", "error", "--method", "GET", "--json"]);
    assert_eq!(edge.get("talkative", "/fine").text(), "done");
    assert_eq!(edge.visit("talkative", "POST", "/throw", &[], b"").status, 500);
    assert_eq!(edge.get("talkative", "/throw").status, 500);
    let event: Value = serde_json::from_str(&tail.next()).unwrap();
    assert_eq!(event["outcome"], "exception");
    assert_eq!(event["event"]["request"]["method"], "GET");
    assert_eq!(event["logs"][0]["message"], serde_json::json!(["asked for", "/throw"]));
    assert_eq!(event["exceptions"][0]["message"], "as asked");
    assert!(event["exceptions"][0]["stack"].as_str().unwrap().contains("index.js:5:"), "{event}");
    assert_eq!((&event["executionModel"], &event["truncated"]), (&"stateless".into(), &false.into()));
    assert!(event["scriptTags"].is_array() && event["diagnosticsChannelEvents"].is_array());
    assert!(tail.lines.recv_timeout(Duration::ZERO).is_err());
}

#[test]
fn what_cannot_be_tailed_is_told() {
    let edge = Edge::start();
    let unknown = edge.run(&["tail", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("nobody"));
    edge.deploy_module("talkative", TALKATIVE);
    let wrong = edge.run(&["tail", "talkative", "--sampling-rate", "2"]);
    assert_eq!(wrong.status.code(), Some(2));
    // The edge stops: so does the tail, and says why.
    let tail = Tail::start(&edge, &[]);
    edge.process.signal("-TERM");
    let mut process = tail.process;
    assert_eq!(process.0.wait().unwrap().code(), Some(1));
}
