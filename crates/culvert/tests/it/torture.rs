//! Hostile Workers, a file each in `tests/torture/`, against the program: 8 at a time, beside a well-behaved one under load.
//!
//! The first line of a file names the outcomes that are right for it (more than one only where the engine may refuse a single large
//! allocation, which script could catch). Which it is must not hang on how fast or busy the machine is: those that are to exceed their CPU
//! time do nothing but use it, the others have plenty.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
/// Isolates that may be in use at a time, for each hostile Worker the present one and the one before, whose memory is being freed; the
/// well-behaved one; one that is prepared.
const ISOLATES: usize = 2 * AT_ONCE + 2;
/// What the program uses beside isolates in use, in MiB: the code, the store, records, isolates at rest.
const PROGRAM: usize = 300;
/// How long one answer may take. Nothing depends on it but a test that hangs.
const PATIENCE: Duration = Duration::from_secs(600);

struct Hostile {
    outcomes: Vec<String>,
    source: String,
}

impl Hostile {
    fn cpu(&self) -> u64 {
        if self.outcomes.iter().any(|outcome| outcome == "exceededCpu") { CPU } else { AMPLE_CPU }
    }
}

/// By the Worker's name.
fn hostile() -> BTreeMap<String, Hostile> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(Path::new("tests/torture")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
        let source = fs::read_to_string(&path).unwrap();
        let expected = source.lines().next().and_then(|line| line.strip_prefix("// Expected: "));
        let expected = expected.unwrap_or_else(|| panic!("{name} does not say what is expected"));
        let outcomes = expected.split(", ").map(str::to_owned).collect();
        all.insert(name, Hostile { outcomes, source });
    }
    all
}

/// Deploys a module by the API, with a CPU limit.
pub fn deploy(edge: &Edge, token: &str, name: &str, module: &str, cpu_ms: u64) {
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

/// What a visitor got.
struct Seen {
    status: u16,
    /// The beginning of the body.
    text: String,
}

/// A visitor's GET, to the end of the body or to where it breaks off.
fn visit(edge: &Edge, name: &str) -> Seen {
    let mut stream = connect(edge.addresses.http);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {name}.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream);
    let mut text = String::new();
    // A body that breaks off is an error here, and right.
    let _ = stream.by_ref().take(100).read_to_string(&mut text);
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    Seen { status: head.status, text }
}

/// Resident memory of the program, in MiB; it must be there.
pub fn resident(edge: &Edge) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", edge.process.0.id())).expect("the program still runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a live process");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

/// Times of the well-behaved Worker's answers, until told to stop, in order of length.
fn behave(edge: &Edge, go_on: impl Fn(usize) -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    while go_on(times.len()) {
        let before = Instant::now();
        assert_eq!(visit(edge, "well-behaved").status, 200, "the well-behaved Worker was harmed");
        times.push(before.elapsed());
    }
    times.sort();
    times
}

fn p99(times: &[Duration]) -> Duration {
    times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

/// Whether the visitor got what goes with the outcome. Once the head of a response was on its way, its status says nothing more.
fn fits(outcome: &str, answered: bool, seen: &Seen) -> bool {
    let expected = match outcome {
        _ if answered => return seen.status == 200,
        "exceededCpu" | "exceededMemory" => (503, "error code: 1102"),
        "exception" => (500, "error code: 1101"),
        _ => return seen.status == 200,
    };
    (seen.status, seen.text.trim()) == expected
}

#[test]
fn hostile_workers_end_as_they_should() {
    let edge = Edge::start_with(&[
        "--isolate-memory-mib",
        &MEMORY.to_string(),
        "--isolates-memory-mib",
        &(MEMORY * ISOLATES * 2).to_string(),
        "--max-isolates",
        "1",
    ]);
    let token = format!("Bearer {}", edge.token());
    let hostile = hostile();
    assert!(hostile.len() >= 150, "{}", hostile.len());
    deploy(&edge, &token, "well-behaved", "export default { fetch: () => new Response('well') };", AMPLE_CPU);
    // The many records of this one would take the place of others.
    let settings = request(
        edge.addresses.api,
        "PATCH",
        "/client/v4/accounts/local/workers/scripts/well-behaved/script-settings",
        &[("Authorization", &token), ("Content-Type", "application/json")],
        br#"{"observability": {"enabled": false}}"#,
    );
    assert_eq!(settings.status, 200, "{}", settings.text());
    for (name, worker) in &hostile {
        deploy(&edge, &token, name, &worker.source, worker.cpu());
    }
    behave(&edge, |count| count < 20);
    let alone = behave(&edge, |count| count < 300);

    let left = Mutex::new(hostile.keys());
    let answers = Mutex::new(BTreeMap::new());
    let attacked = AtomicBool::new(true);
    let peak = AtomicUsize::new(0);
    let beside = std::thread::scope(|threads| {
        let beside = threads.spawn(|| behave(&edge, |_| attacked.load(Ordering::Relaxed)));
        threads.spawn(|| {
            while attacked.load(Ordering::Relaxed) {
                peak.fetch_max(resident(&edge), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
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
        let ended: Vec<_> = attackers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        attacked.store(false, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok), "a visitor got no answer");
        beside.join().unwrap()
    });
    let (peak, after) = (peak.into_inner(), resident(&edge));
    println!(
        "{} hostile Workers; p99 of the well-behaved one {:?} ({} answers), alone {:?}; at most {peak} MiB resident, {after} at the end",
        hostile.len(),
        p99(&beside),
        beside.len(),
        p99(&alone),
    );

    let mut wrong = Vec::new();
    for (name, seen) in answers.into_inner().unwrap() {
        let record =
            wait_for(name, || edge.api(&format!("/workers/invocations?worker={name}")).as_array()?.first().cloned());
        let outcome = record["outcome"].as_str().unwrap();
        let answered = record["event"]["response"]["status"].is_u64();
        let expected = &hostile[name].outcomes;
        if !expected.iter().any(|expected| expected == outcome) || !fits(outcome, answered, &seen) {
            let exception = record["exceptions"].get(0).map_or(&Value::Null, |exception| &exception["message"]);
            wrong.push(format!(
                "{name}: {outcome} ({}, {:?}) instead of {expected:?}; {} ms of CPU time, {exception}",
                seen.status, seen.text, record["cpuTime"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), hostile.len(), wrong.join("\n"));
    assert!(
        peak < MEMORY * ISOLATES + PROGRAM,
        "{peak} MiB were resident, and {ISOLATES} isolates of {MEMORY} MiB are allowed"
    );
}
