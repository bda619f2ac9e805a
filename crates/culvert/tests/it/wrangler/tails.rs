//! `tail` with every filter, in both of its formats.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use super::Wrangler;
use super::private::Service;
use crate::harness::{Process, connect, wait_for};

/// A tail that runs, once it is connected.
struct Tail {
    process: Process,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Tail {
    fn start(wrangler: &Wrangler, filters: &str) -> Self {
        let watched = || wrangler.edge.api("/workers/scripts/shop/tails").as_array().unwrap().len();
        let before = watched();
        let mut child = wrangler
            .command(&format!("tail shop {filters}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let process = Process(child);
        wait_for("wrangler tail", || (watched() > before).then_some(()));
        Tail { process, lines }
    }

    /// The path of the next event's request: in JSON, over several lines, or pretty: `GET URL - Ok @ time`.
    fn next_path(&mut self) -> String {
        loop {
            let line = self.lines.next().expect("wrangler tail ended").unwrap();
            if let Some((_, url)) = line.split_once("http://") {
                let url = url.split([' ', '"']).next().unwrap_or_default();
                return url.split_once('/').map(|(_, path)| path.to_owned()).unwrap_or_default();
            }
        }
    }
}

/// `tail` with every filter: of the requests below, each tail prints its own first.
pub fn tails(wrangler: &Wrangler, private: &Service) {
    let version = wrangler.edge.api("/workers/scripts/shop/deployments")["deployments"][0]["versions"][0]["version_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let cases = [
        ("--format json --status error", "throw"),
        ("--format pretty --status ok --method POST", "post"),
        ("--format json --status canceled", "wait"),
        ("--format json --header x-wanted:yes", "header"),
        // What is redacted where it is shown is still to be found.
        ("--format json --header authorization:abc", "header"),
        ("--format json --search needle", "needle"),
        // wrangler takes less than 1 only; less than once in a million runs is this one left out.
        (&format!("--format json --ip self --version-id {version} --sampling-rate 0.9999999 --method PUT"), "put"),
    ];
    let mut tails: Vec<(Tail, &str)> =
        cases.iter().map(|(filters, wanted)| (Tail::start(wrangler, filters), *wanted)).collect();
    let edge = &wrangler.edge;
    // A visitor who goes away.
    let mut visitor = connect(edge.addresses.http);
    visitor.write_all(b"GET /wait HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").unwrap();
    private.waits.recv().unwrap();
    drop(visitor);
    assert_eq!(edge.get("shop", "/throw").status, 500);
    for (method, path, headers) in [
        ("GET", "/plain", &[][..]),
        ("POST", "/post", &[]),
        ("GET", "/header", &[("X-Wanted", "yes"), ("Authorization", "Bearer abcdef")]),
        ("GET", "/needle", &[]),
        ("PUT", "/put", &[]),
    ] {
        assert_eq!(edge.visit("shop", method, path, headers, b"").status, 200);
    }
    for (tail, wanted) in &mut tails {
        assert_eq!(tail.next_path(), *wanted);
    }
    // Told to stop, wrangler takes its tail away.
    for (tail, _) in &mut tails {
        tail.process.signal("-INT");
        tail.process.0.wait().unwrap();
    }
    wait_for("the end of the tails", || {
        edge.api("/workers/scripts/shop/tails").as_array().unwrap().is_empty().then_some(())
    });
}
