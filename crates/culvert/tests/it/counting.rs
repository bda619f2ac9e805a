//! Ten thousand requests with a known mix of faults: the API and Prometheus count each of them, and no more.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failures::closed_port;
use crate::harness::{
    Edge, Process, connect, http_service, private_service, read_answer, read_request, request, wait_for,
};

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 8;
/// As few as do not open the service's breaker.
const REFUSED: usize = 7;

/// Does as its path says.
const WORKER: &str = r#"
const calls = {
  good: [["GOOD", "http"]], twice: [["GOOD", "http"], ["GOOD", "http"]], refused: [["REFUSED", "http"]], unknown: [["UNKNOWN", "http"]],
  denied: [["GOOD", "https"]], garbage: [["GARBAGE", "http"]], missing: [],
};
export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname.slice(1);
    if (path === "throw") throw new Error("as asked");
    try {
      for (const [binding, scheme] of calls[path]) await (await env[binding].fetch(`${scheme}://inventory.internal/`)).text();
    } catch (error) {
      return new Response(error.code, { status: 503 });
    }
    return new Response(path, { status: path === "missing" ? 404 : 200 });
  },
};
"#;

/// What request `number` asks for, and the status that it is answered with.
fn asked(number: usize) -> (&'static str, u16) {
    match number {
        number if number < REFUSED => ("refused", 503),
        number => match number % 100 {
            0..=59 => ("good", 200),
            60..=69 => ("unknown", 503),
            70..=79 => ("denied", 503),
            80..=84 => ("garbage", 503),
            85..=89 => ("throw", 500),
            90..=94 => ("missing", 404),
            _ => ("twice", 200),
        },
    }
}

/// A resolver that knows no name, which holds for a minute.
fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // The question ends with its type and class, after the name's empty label.
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let mut answer = buffer[..end].to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x83]);
            answer[6..12].copy_from_slice(&[0, 0, 0, 1, 0, 0]);
            // The authority: an SOA of the root, with 60 seconds as its TTL and its MINIMUM.
            answer.extend([0, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22, 0, 0]);
            answer.extend([0; 19]);
            answer.push(60);
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

/// Asks for every `CLIENTS`th request on one connection.
fn client(address: SocketAddr, first: usize) {
    let mut stream = BufReader::new(connect(address));
    for number in (first..REQUESTS).step_by(CLIENTS) {
        let (path, status) = asked(number);
        let head = format!("GET /{path} HTTP/1.1\r\nHost: mixed.localhost\r\nAccept: text/plain\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).status, status, "request {number}, /{path}");
    }
}

/// How often something is in the load.
fn expected(what: &[&str]) -> u64 {
    (0..REQUESTS).filter(|number| what.contains(&asked(*number).0)).count() as u64
}

/// The groups of a metric: key and count.
fn groups(edge: &Edge, path: &str, key: impl Fn(&Value) -> String) -> BTreeMap<String, u64> {
    let metrics = edge.api(path);
    let groups = metrics["groups"].as_array().unwrap();
    groups.iter().map(|group| (key(&group["key"]), group["count"].as_u64().unwrap())).collect()
}

/// Sums of Prometheus's samples of one name by one label; nothing where the value is not wanted.
fn samples(text: &str, name: &str, label: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with('{')) {
        let (labels, value) = line.rsplit_once(' ').unwrap();
        let labelled = labels.split(&format!("{label}=\"")).nth(1).unwrap().split('"').next().unwrap();
        *sums.entry(labelled.to_owned()).or_default() += value.parse::<f64>().unwrap() as u64;
    }
    sums
}

#[test]
fn ten_thousand_requests_are_counted_exactly_everywhere() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&["--dns-resolver", &resolver().to_string()]);
    let good = http_service(|_, _, _| "here".to_owned());
    let garbage = private_service(|mut stream| {
        if read_request(&mut BufReader::new(stream.try_clone().unwrap())).is_some() {
            let _ = stream.write_all(b"this is not HTTP\r\n\r\n");
        }
    });
    let services = [
        ("GOOD", edge.service(&tunnel.id, "http", good, &[])),
        ("REFUSED", edge.service(&tunnel.id, "http", closed_port(), &[])),
        ("UNKNOWN", edge.service(&tunnel.id, "http", good, &["--hostname", "nowhere.private"])),
        ("GARBAGE", edge.service(&tunnel.id, "http", garbage, &[])),
    ];
    let bindings: Vec<String> =
        services.iter().map(|(binding, id)| format!(r#"{{"binding": "{binding}", "service_id": "{id}"}}"#)).collect();
    let configuration = format!(
        r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{}]}}"#,
        bindings.join(",")
    );
    edge.deploy("mixed", &[("index.js", WORKER)], &configuration, &[]);
    let address = edge.addresses.http;
    let clients: Vec<_> = (0..CLIENTS).map(|first| std::thread::spawn(move || client(address, first))).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());

    let outcomes = BTreeMap::from([
        ("ok".to_owned(), REQUESTS as u64 - expected(&["throw"])),
        ("exception".to_owned(), expected(&["throw"])),
    ]);
    let codes = BTreeMap::from([
        ("null".to_owned(), expected(&["good"]) + 2 * expected(&["twice"])),
        ("\"connection_refused\" \"Bad Upstream\"".to_owned(), expected(&["refused"])),
        ("\"dns_error\" \"Client\"".to_owned(), expected(&["unknown"])),
        ("\"http_request_denied\" \"Bad Upstream\"".to_owned(), expected(&["denied"])),
        ("\"http_protocol_error\" \"Bad Upstream\"".to_owned(), expected(&["garbage"])),
    ]);
    let attempts: u64 = codes.values().sum();
    let by_code = |key: &Value| match &key["code"] {
        Value::Null => "null".to_owned(),
        code => format!("{code} {}", key["category"]),
    };
    // The last records are written within a second.
    wait_for("the API's count", || {
        let all = groups(&edge, "/workers/metrics?by=outcome", |key| key["outcome"].as_str().unwrap().to_owned());
        (all.values().sum::<u64>() >= REQUESTS as u64).then_some(())
    });
    let found = groups(&edge, "/workers/metrics?by=outcome", |key| key["outcome"].as_str().unwrap().to_owned());
    assert_eq!(found, outcomes);
    assert_eq!(groups(&edge, "/connectivity/metrics?by=code", by_code), codes);
    let subrequests = edge.api("/workers/metrics")["groups"][0]["subrequests"].as_u64().unwrap();
    assert_eq!(subrequests, attempts);
    let version = edge.api("/workers/metrics?by=version&quantiles=true");
    assert_eq!(version["groups"].as_array().unwrap().len(), 1, "{version}");
    let memory = &version["groups"][0]["memory"];
    assert!(memory["count"] == REQUESTS as u64 && memory["p50"].as_f64().unwrap() > 100_000.0, "{memory}");

    let text = request(edge.addresses.api, "GET", "/metrics", &[], b"").text();
    promtool(&text);
    assert_eq!(samples(&text, "culvert_worker_invocations_total", "outcome"), outcomes);
    let results = BTreeMap::from([("success", codes["null"]), ("failure", attempts - codes["null"]), ("canceled", 0)])
        .into_iter()
        .map(|(result, count)| (result.to_owned(), count))
        .collect();
    assert_eq!(samples(&text, "culvert_vpc_connections_total", "result"), results);
    let failures = samples(&text, "culvert_vpc_connection_errors_total", "category");
    assert_eq!(failures["Client"], expected(&["unknown"]));
    assert_eq!(failures["Bad Upstream"], expected(&["refused", "denied", "garbage"]));

    if let Some((_prometheus, at)) = prometheus(&edge) {
        let query = |query: &str| -> Option<u64> {
            let path = format!("/api/v1/query?query={query}");
            let answer: Value = serde_json::from_slice(&request(at, "GET", &path, &[], b"").body).ok()?;
            let value = answer.pointer("/data/result/0/value/1")?.as_str()?;
            Some(value.parse::<f64>().ok()? as u64)
        };
        wait_for("Prometheus", || query("sum(culvert_worker_invocations_total)"));
        assert_eq!(query("sum(culvert_worker_invocations_total)"), Some(REQUESTS as u64));
        let exceptions = "sum(culvert_worker_invocations_total{outcome=\"exception\"})";
        assert_eq!(query(exceptions), Some(expected(&["throw"])));
        let unknown = "sum(culvert_vpc_connection_errors_total{code=\"dns_error\",category=\"Client\"})";
        assert_eq!(query(unknown), Some(expected(&["unknown"])));
        assert_eq!(query("sum(culvert_worker_wall_time_seconds_count)"), Some(REQUESTS as u64));
        assert!(query("histogram_quantile(0.99,sum(culvert_worker_wall_time_seconds_bucket)by(le))").is_some());
    }
}

/// Lets Prometheus's own tool find fault with the metrics; skips where it is not installed.
fn promtool(text: &str) {
    let program = Path::new("/usr/bin/promtool");
    if !program.exists() {
        eprintln!("skipped: promtool is not installed");
        return;
    }
    let command = Command::new(program).args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut command = command.unwrap();
    command.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Debian's Prometheus, reading the edge's metrics; skips where it is not installed.
fn prometheus(edge: &Edge) -> Option<(Process, SocketAddr)> {
    let program = Path::new("/usr/bin/prometheus");
    if !program.exists() {
        eprintln!("skipped: prometheus is not installed");
        return None;
    }
    let directory = edge.directory.path().join("prometheus");
    fs::create_dir(&directory).unwrap();
    let configuration = directory.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs:\n- job_name: culvert\n  static_configs: [{{targets: ['{}']}}]\n",
        edge.addresses.api
    );
    fs::write(&configuration, text).unwrap();
    let at = SocketAddr::from(([127, 0, 0, 1], closed_port()));
    let log = fs::File::create(directory.join("log")).unwrap();
    let child = Command::new(program)
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
        .arg(format!("--web.listen-address={at}"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for("Prometheus listens", || std::net::TcpStream::connect(at).ok());
    Some((process, at))
}
