//! Hostile Workers, a file each in `tests/torture/`, against the program: 8 at a time, beside a well-behaved one under load.
//!
//! The first line of a file names the one outcome that is right for it, and `answered` when the visitor has a response head by then. Which
//! outcome that is must not hang on how fast or busy the machine is: those that are to exceed their CPU time do nothing but use it, the
//! others have plenty.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Edge, connect, read_head, request, wait_for};

/// CPU time in milliseconds for those that are to exceed it.
const CPU: u64 = 100;
/// For the others.
const AMPLE_CPU: u64 = 300_000;
/// Of one isolate, in MiB: less than usual, because what counts is that it is reached.
const MEMORY: usize = 48;
const AT_ONCE: usize = 8;
/// Isolates that may be in use: the hostile ones, the well-behaved one, and one that is prepared.
const ISOLATES: usize = AT_ONCE + 2;
/// What the program uses beside isolates, in MiB: the code, the store, records, and what the allocator keeps.
const PROGRAM: usize = 250;
/// How long one answer may take. Nothing depends on it but a test that hangs.
const PATIENCE: Duration = Duration::from_secs(600);

struct Hostile {
    outcome: String,
    answered: bool,
    source: String,
}

/// By the Worker's name.
fn hostile() -> BTreeMap<String, Hostile> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
        let source = fs::read_to_string(&path).unwrap();
        let expected = source.lines().next().and_then(|line| line.strip_prefix("// Expected: "));
        let expected = expected.unwrap_or_else(|| panic!("{name} does not say what is expected"));
        let (outcome, answered) = match expected.strip_suffix(", answered") {
            Some(outcome) => (outcome, true),
            None => (expected, false),
        };
        all.insert(name, Hostile { outcome: outcome.to_owned(), answered, source });
    }
    all
}

/// Deploys a module by the API, with a CPU limit.
fn deploy(edge: &Edge, token: &str, name: &str, module: &str, cpu_ms: u64) {
    let metadata = format!(
        r#"{{"main_module": "index.js", "compatibility_date": "2026-11-01", "limits": {{"cpu_ms": {cpu_ms}}}}}"#
    );
    let part = |name: &str, kind: &str, body: &str| {
        format!(
            "--frontier\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{body}\r\n"
        )
    };
    let body = [
        part("metadata", "application/json", &metadata),
        part("index.js", "application/javascript+module", module),
        "--frontier--\r\n".to_owned(),
    ];
    let answer = request(
        edge.addresses.api,
        "PUT",
        &format!("/client/v4/accounts/local/workers/scripts/{name}"),
        &[("Authorization", token), ("Content-Type", "multipart/form-data; boundary=frontier")],
        body.concat().as_bytes(),
    );
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
}

/// A visitor's GET, to the end of the body or to where it breaks off: the status, and the text of a small answer.
fn visit(edge: &Edge, name: &str) -> (u16, String) {
    let mut stream = connect(edge.addresses.http);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {name}.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream);
    let mut text = String::new();
    let _ = stream.by_ref().take(100).read_to_string(&mut text);
    // A body that breaks off is an error here, and right.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    (head.status, text)
}

/// A line of `/proc/PID/status`, in MiB.
fn status(edge: &Edge, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", edge.process.0.id())).expect("the program still runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

/// Times of the well-behaved Worker's answers until told to stop, in order of length.
fn behave(edge: &Edge, go_on: impl Fn(usize) -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    while go_on(times.len()) {
        let before = Instant::now();
        assert_eq!(visit(edge, "well-behaved").0, 200, "the well-behaved Worker was harmed");
        times.push(before.elapsed());
    }
    times.sort();
    times
}

fn p99(times: &[Duration]) -> Duration {
    times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

#[test]
fn hostile_workers_end_as_they_should() {
    let edge = Edge::start_with(&[
        "--isolate-memory-mib",
        &MEMORY.to_string(),
        "--isolates-memory-mib",
        &(MEMORY * ISOLATES).to_string(),
        "--max-isolates",
        "1",
    ]);
    let token = fs::read_to_string(edge.data().join("admin-token")).unwrap();
    let token = format!("Bearer {}", token.trim());
    let hostile = hostile();
    assert!(hostile.len() >= 150, "{}", hostile.len());
    deploy(&edge, &token, "well-behaved", "export default { fetch: () => new Response('well') };", AMPLE_CPU);
    for (name, Hostile { outcome, source, .. }) in &hostile {
        deploy(&edge, &token, name, source, if outcome == "exceededCpu" { CPU } else { AMPLE_CPU });
    }
    behave(&edge, |count| count < 20);
    let alone = behave(&edge, |count| count < 300);

    let left = Mutex::new(hostile.keys());
    let answers = Mutex::new(BTreeMap::new());
    let attacked = Arc::new(AtomicBool::new(true));
    let beside = std::thread::scope(|threads| {
        let beside = threads.spawn(|| behave(&edge, |_| attacked.load(Ordering::Relaxed)));
        let attackers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                threads.spawn(|| {
                    loop {
                        let Some(name) = left.lock().unwrap().next() else { break };
                        let answer = visit(&edge, name);
                        answers.lock().unwrap().insert(name, answer);
                    }
                })
            })
            .collect();
        for attacker in attackers {
            attacker.join().unwrap();
        }
        attacked.store(false, Ordering::Relaxed);
        beside.join().unwrap()
    });
    let (peak, after) = (status(&edge, "VmHWM"), status(&edge, "VmRSS"));
    println!(
        "{} hostile Workers; p99 of the well-behaved one {:?} ({} answers), alone {:?}; at most {peak} MiB resident, {after} at the end",
        hostile.len(),
        p99(&beside),
        beside.len(),
        p99(&alone),
    );

    let mut wrong = Vec::new();
    for (name, (status, text)) in answers.into_inner().unwrap() {
        let Hostile { outcome, answered, .. } = &hostile[name];
        let record =
            wait_for(name, || edge.api(&format!("/workers/invocations?worker={name}")).as_array()?.first().cloned());
        let code = match outcome.as_str() {
            _ if *answered => None,
            "exceededCpu" | "exceededMemory" => Some((503, "error code: 1102")),
            "exception" => Some((500, "error code: 1101")),
            _ => None,
        };
        let right = record["outcome"] == **outcome
            && match code {
                Some(code) => (status, text.trim()) == code,
                None => status == 200,
            };
        if !right {
            let exception = record["exceptions"].get(0).map_or(&Value::Null, |exception| &exception["message"]);
            wrong.push(format!(
                "{name}: {} ({status}, {text:?}) instead of {outcome}; {} ms of CPU time, {exception}",
                record["outcome"], record["cpuTime"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), hostile.len(), wrong.join("\n"));
    assert!(
        peak < MEMORY * ISOLATES + PROGRAM,
        "{peak} MiB were resident, and {ISOLATES} isolates of {MEMORY} MiB are allowed"
    );
}
