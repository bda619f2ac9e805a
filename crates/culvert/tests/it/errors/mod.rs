//! Every row of the table of connection errors, caused for real: from a Worker through a tunnel, against a real fault. For each the
//! exception, the connection event, the invocation's record and the API's counters must say the same. `make test-errors` prints the
//! matrix.
//!
//! It runs in a network namespace of its own, where resolvers can have port 53, packets can be lost and routes be missing.

mod cases;
mod damage;
mod resolvers;
mod servers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use connection_error::{ErrorCode, ROWS};
use serde_json::{Value, json};

use crate::harness::Edge;
use crate::namespace::in_namespace;
use cases::{Case, Stage};

/// Addresses of the private network. What goes to 10.96.0.5 is lost on the way, what goes to 10.97.0.0/16 has none.
const SETUP: &str = "for host in 5 53 54 55; do ip address add 10.99.0.$host/32 dev lo; done && \
    ip route add unreachable 10.97.0.0/16 && \
    ip link add near type veth peer name far && ip address add 10.96.0.1/24 dev near && \
    ip link set near up && ip link set far up && ip neighbour add 10.96.0.5 lladdr 02:00:00:00:00:05 dev near";

/// What a Worker saw of a case.
struct Seen {
    caught: Value,
    event: Value,
}

#[test]
fn every_row_of_the_table() {
    if !in_namespace("errors::every_row_of_the_table", SETUP) {
        return;
    }
    let edge = Edge::start();
    let Some(mut stage) = Stage::set(&edge) else { return };
    let cases = stage.cases();
    deploy(&edge, &stage, &cases);
    stage.after_deployment();

    let mut wrong = String::new();
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut lines = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let answer = edge.visit("prober", "POST", &format!("/{number}"), &[], b"x");
        let caught =
            if answer.status == 503 || answer.status == 200 { answer.json() } else { json!({ "page": answer.text() }) };
        let [code, category, _] = case.row;
        if case.events == 0 {
            let outcome = check(case, &caught).err();
            let _ = outcome.iter().try_for_each(|why| writeln!(wrong, "{}: {why}", case.fault));
            lines.push((case.row, line(case, "(a Response)", "", outcome.as_deref().unwrap_or_default())));
            continue;
        }
        *counted.entry((code.to_owned(), category.to_owned())).or_default() += case.events;
        if let Err(why) = check(case, &caught) {
            let _ = writeln!(wrong, "{}: {why}", case.fault);
            lines.push((case.row, line(case, &caught["caught"].to_string(), "", &why)));
            continue;
        }
        let ray = answer.header("cf-ray").unwrap_or_default().to_owned();
        let seen = Seen { event: event(&edge, code, &ray), caught };
        let verdict = agrees(&edge, case, &ray, &seen).err();
        if let Some(why) = &verdict {
            let _ = writeln!(wrong, "{}: {why}", case.fault);
        }
        let exception = seen.caught["caught"].as_str().unwrap_or("(a Response)").to_owned();
        let shown =
            format!("{} {} {}", seen.event["code"], seen.event["category"], seen.event["phase"]).replace('"', "");
        let rest = verdict.unwrap_or_else(|| seen.event["detail"].to_string());
        lines.push((case.row, line(case, &exception, &shown, &rest)));
    }
    let counters = wait_for_counters(&edge, &counted);
    for row in ROWS {
        let key = (row.code.as_str().to_owned(), row.category.as_str().to_owned());
        let count = counters.get(&key).copied().unwrap_or_default();
        println!("\n{} ({}): {count} in GET …/connectivity/metrics?by=code", row.code, row.category);
        for (_, line) in lines.iter().filter(|(of, _)| of[..2] == [row.code.as_str(), row.category.as_str()]) {
            println!("  {line}");
        }
        if !counted.contains_key(&key) {
            let _ = writeln!(wrong, "no case causes {} ({})", row.code, row.category);
        }
    }
    println!("\nno failure");
    for (_, line) in lines.iter().filter(|(row, _)| row[0] == "none") {
        println!("  {line}");
    }
    for (key, expected) in &counted {
        if counters.get(key) != Some(expected) {
            let _ = writeln!(wrong, "counter of {key:?}: {:?}, and {expected} were caused", counters.get(key));
        }
    }
    let prometheus = edge.prometheus();
    for code in ErrorCode::ALL {
        let named = format!("code=\"{code}\"");
        if !prometheus.lines().any(|line| line.starts_with("culvert_vpc_connection_errors") && line.contains(&named)) {
            let _ = writeln!(wrong, "/metrics has no counter with {named}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// One Worker with all cases and all bindings.
fn deploy(edge: &Edge, stage: &Stage<'_>, cases: &[Case]) {
    let scripts: Vec<String> =
        cases.iter().map(|case| format!("async (env, request) => {{ {} }}", case.script)).collect();
    let module = format!(
        r#"const describe = ({{ code, category, phase, detail, retryable, service, rayId, timings }}) =>
          ({{ code, category, phase, detail, retryable, service, rayId, timings }});
        const endless = () => new ReadableStream({{ pull(controller) {{ controller.enqueue(new Uint8Array(65536)); }} }});
        const cases = [{}];
        export default {{ async fetch(request, env) {{
          try {{
            const result = await cases[Number(new URL(request.url).pathname.slice(1))](env, request);
            return Response.json({{ result }});
          }} catch (error) {{
            return Response.json({{ caught: String(error), isError: error instanceof Error, ...describe(error) }}, {{ status: 503 }});
          }}
        }} }};"#,
        scripts.join(",\n")
    );
    let configuration = json!({
        "main": "index.js",
        "compatibility_date": "2026-11-01",
        "vpc_services": stage.services.iter().enumerate().map(|(number, id)| json!({"binding": format!("S{number}"), "service_id": id})).collect::<Vec<_>>(),
        "vpc_networks": [
            {"binding": "NETWORK", "tunnel_id": stage.tunnel.id}, {"binding": "ROUTED", "tunnel_id": stage.narrow.id},
        ],
    });
    edge.deploy("prober", &[("index.js", &module)], &configuration.to_string(), &[]);
}

/// Whether the Worker saw what it should have.
fn check(case: &Case, caught: &Value) -> Result<(), String> {
    let [code, category, phase] = case.row;
    if let Some(result) = &case.result {
        return if caught["result"] == *result {
            Ok(())
        } else {
            Err(format!("{result} was expected, and there is {caught}"))
        };
    }
    let right = caught["caught"] == format!("Error: ProxyError: {code}")
        && [&caught["code"], &caught["category"], &caught["phase"]] == [code, category, phase]
        && caught["detail"].as_str().is_some_and(|detail| detail.contains(&case.detail))
        && caught["isError"] == true
        && caught["retryable"].is_boolean()
        && caught["rayId"].is_string();
    if right {
        Ok(())
    } else {
        Err(format!("{code} ({category}, {phase}: …{}…) was expected, and there is {caught}", case.detail))
    }
}

fn event(edge: &Edge, code: &str, ray: &str) -> Value {
    edge.fact(&format!("/connectivity/events?code={code}"), |event| event["rayId"] == ray)
}

/// Whether event and record say the same as the exception.
fn agrees(edge: &Edge, case: &Case, ray: &str, seen: &Seen) -> Result<(), String> {
    let [code, category, phase] = case.row;
    let Seen { caught, event } = seen;
    if [&event["code"], &event["category"], &event["phase"]] != [code, category, phase] {
        return Err(format!("the event says {event}"));
    }
    if case.result.is_none() {
        for field in ["detail", "timings"] {
            if alike(&event[field]) != alike(&caught[field]) {
                return Err(format!("{field} of the event: {}; of the exception: {}", event[field], caught[field]));
            }
        }
    }
    let record = edge.fact("/workers/invocations?worker=prober", |record| record["rayId"] == ray);
    let told = record["logs"].as_array().is_some_and(|lines| {
        lines.iter().any(|line| line["message"].to_string().contains(&format!("ProxyError: {code}")))
    });
    if !told {
        return Err(format!("the invocation's log has no line about it: {}", record["logs"]));
    }
    Ok(())
}

/// A value with its numbers as JavaScript and Rust both write them.
fn alike(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), alike(value))).collect(),
        other => other.clone(),
    }
}

fn line(case: &Case, exception: &str, event: &str, rest: &str) -> String {
    format!("{:<58} | {exception:<48} | {event:<48} | {rest}", case.fault)
}

/// The API's counters by code and category, once they have what was caused.
fn wait_for_counters(edge: &Edge, expected: &BTreeMap<(String, String), u64>) -> BTreeMap<(String, String), u64> {
    let read = || -> BTreeMap<(String, String), u64> {
        let metrics = edge.api("/connectivity/metrics?by=code");
        let groups = metrics["groups"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let entry = |group: &Value| {
            Some(((text(&group["key"]["code"])?, text(&group["key"]["category"])?), group["count"].as_u64()?))
        };
        groups.iter().filter_map(entry).collect()
    };
    let enough = |counters: &BTreeMap<(String, String), u64>| {
        expected.iter().all(|(key, count)| counters.get(key).is_some_and(|counted| counted >= count))
    };
    // What is missing in the end is told with everything else.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let counters = read();
        if enough(&counters) || Instant::now() > deadline {
            return counters;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
