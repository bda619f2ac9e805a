//! Workers' logs: what a question finds is what a plain look through all events gives, page by page.

use std::time::Duration;

use fastrand::Rng;
use invocation::RayId;
use serde_json::{Value, json};
use telemetry::{InvalidFilter, InvocationRecord, LogAnswer, LogQuestion, Sampling, Telemetry};
use uuid::Uuid;

use crate::facts::{invocation, keeper, line, moment, random_invocation};

/// Whether an event is one that is asked for.
type IsMeant = Box<dyn Fn(&Value) -> bool>;

fn timeframe() -> Value {
    let at = |number| u64::try_from(moment(number).unix_timestamp_nanos() / 1_000_000).unwrap();
    json!({ "from": at(0) - 3_600_000, "to": at(0) + 7_200_000 })
}

async fn ask(telemetry: &Telemetry, parameters: &Value, more: Value) -> LogAnswer {
    let mut body = json!({ "queryId": "q", "timeframe": timeframe(), "parameters": parameters });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let question = LogQuestion::events(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
    telemetry.logs(&question, "local").await.unwrap()
}

fn list(answer: &LogAnswer) -> Vec<Value> {
    answer.result.as_array().unwrap().clone()
}

/// Every page of events, of so many each.
async fn all(telemetry: &Telemetry, parameters: &Value, limit: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let mut offset = String::new();
    loop {
        let answer = ask(telemetry, parameters, json!({ "limit": limit, "offset": offset })).await;
        let page = list(&answer);
        assert!(page.len() <= limit && page.len() == answer.count);
        let last = page.last().map(|event| event["$metadata"]["id"].clone());
        found.extend(page);
        match answer.next {
            None => return found,
            Some(next) => {
                assert_eq!(last, Some(json!(next)), "the last event's id is the offset of the next page");
                offset = next;
            }
        }
    }
}

fn filter(key: &str, operation: &str, kind: &str, value: Value) -> Value {
    json!({ "key": key, "operation": operation, "type": kind, "value": value })
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn what_is_found_is_what_is_there() {
    let (_directory, telemetry) = keeper().await;
    let mut rng = Rng::with_seed(11);
    let records: Vec<InvocationRecord> = (0..400).map(|number| random_invocation(number, &mut rng)).collect();
    let sink = telemetry.recorder();
    records.iter().for_each(|record| sink.invocation(record.clone()));
    telemetry.flush().await.unwrap();

    let everything = all(&telemetry, &json!({}), 2_000).await;
    let said: usize = records.iter().map(|record| record.logs.len() + record.exceptions.len()).sum();
    assert_eq!(everything.len(), records.len() + said);
    let ids: Vec<&str> = everything.iter().map(|event| text(event, "/$metadata/id")).collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older));
    // Nothing secret comes out of what nothing secret went into.
    assert!(!json!(everything).to_string().contains("secret=1"));

    let service = filter("$metadata.service", "eq", "string", json!("worker-1"));
    let failed = filter("$workers.outcome", "in", "string", json!("exception,exceededCpu"));
    let status = filter("$workers.event.response.status", "eq", "number", json!(503));
    let group = json!({ "kind": "group", "filterCombination": "or", "filters": [status, failed] });
    let cases: Vec<(Value, IsMeant)> = vec![
        (json!({ "filters": [service] }), Box::new(|event| text(event, "/$metadata/service") == "worker-1")),
        (
            json!({ "filters": [service, failed] }),
            Box::new(|event| {
                text(event, "/$metadata/service") == "worker-1"
                    && ["exception", "exceededCpu"].contains(&text(event, "/$workers/outcome"))
            }),
        ),
        (
            json!({ "filters": [service, group] }),
            Box::new(|event| {
                text(event, "/$metadata/service") == "worker-1"
                    && (event.pointer("/$workers/event/response/status") == Some(&json!(503))
                        || ["exception", "exceededCpu"].contains(&text(event, "/$workers/outcome")))
            }),
        ),
        (
            json!({ "filters": [service, failed], "filterCombination": "or" }),
            Box::new(|event| {
                text(event, "/$metadata/service") == "worker-1"
                    || ["exception", "exceededCpu"].contains(&text(event, "/$workers/outcome"))
            }),
        ),
        (
            json!({ "filters": [filter("$workers.cpuTimeMs", "gte", "number", json!(50))] }),
            Box::new(|event| {
                event.pointer("/$workers/cpuTimeMs").and_then(Value::as_f64).is_some_and(|cpu| cpu >= 50.0)
            }),
        ),
        (
            json!({ "filters": [{ "key": "$metadata.error", "operation": "EXISTS", "type": "string" }] }),
            Box::new(|event| event.pointer("/$metadata/error").is_some()),
        ),
        (
            json!({ "filters": [filter("$metadata.message", "includes", "string", json!("ünï"))] }),
            Box::new(|event| text(event, "/$metadata/message").contains("ünï")),
        ),
        (
            json!({ "filters": [filter("$metadata.rayId", "eq", "string", json!(RayId(77).to_string()))] }),
            Box::new(|event| text(event, "/$metadata/rayId") == RayId(77).to_string()),
        ),
        (
            json!({ "filters": [filter("$metadata.requestId", "eq", "string", json!(Uuid::from_u128(78)))] }),
            Box::new(|event| text(event, "/$metadata/requestId") == Uuid::from_u128(78).to_string()),
        ),
        (
            json!({ "needle": { "value": "BETA-blocker" } }),
            Box::new(|event| text(event, "/source/message").contains("beta-blocker")),
        ),
        (json!({ "needle": { "value": "BETA-blocker", "matchCase": true } }), Box::new(|_| false)),
        (
            json!({ "needle": { "value": "x[12] is", "isRegex": true }, "filters": [service] }),
            Box::new(|event| {
                text(event, "/$metadata/service") == "worker-1"
                    && event.pointer("/source/exception").is_some()
                    && ["x1 ", "x2 "].iter().any(|start| text(event, "/$metadata/message").starts_with(start))
            }),
        ),
        (json!({ "filters": [filter("$metadata.service", "eq", "string", json!("nobody"))] }), Box::new(|_| false)),
        (json!({ "filters": [filter("$workers.outcome", "eq", "string", json!("fine"))] }), Box::new(|_| false)),
    ];
    for (parameters, is_meant) in &cases {
        let expected: Vec<Value> = everything.iter().filter(|event| is_meant(event)).cloned().collect();
        for limit in [1, 7, 2_000] {
            if limit == 1 && expected.len() > 50 {
                continue;
            }
            let found = all(&telemetry, parameters, limit).await;
            assert!(found == expected, "{parameters}, {limit} a page: {} of {}", found.len(), expected.len());
        }

        // Invocations with all of their events, each once, page by page.
        let mut wanted: Vec<&str> = expected.iter().map(|event| text(event, "/$metadata/requestId")).collect();
        wanted.dedup();
        let mut met: Vec<String> = Vec::new();
        let mut offset = String::new();
        loop {
            let answer =
                ask(&telemetry, parameters, json!({ "view": "invocations", "limit": 30, "offset": offset })).await;
            let page = answer.result.as_object().unwrap();
            assert!(page.len() <= 30);
            for (id, events) in page {
                let own: Vec<&Value> =
                    everything.iter().filter(|event| text(event, "/$metadata/requestId") == id).collect();
                assert_eq!(events, &json!(own), "{parameters}");
                met.push(id.clone());
            }
            let Some(next) = answer.next else { break };
            offset = next;
        }
        met.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(met, wanted, "{parameters}");
    }
}

#[tokio::test]
async fn invocations_are_no_events_where_the_worker_says_so() {
    let (_directory, telemetry) = keeper().await;
    telemetry.set_sampling("terse", Sampling { head_sampling_rate: 1.0, invocation_logs: false });
    telemetry.set_sampling("silent", Sampling { head_sampling_rate: 0.0, invocation_logs: true });
    for (number, worker) in [(1, "terse"), (2, "silent"), (3, "open")] {
        for logs in [Vec::new(), vec![line("said")]] {
            telemetry.recorder().invocation(InvocationRecord { worker: worker.to_owned(), logs, ..invocation(number) });
        }
    }
    telemetry.flush().await.unwrap();
    let mut found: Vec<_> = list(&ask(&telemetry, &json!({}), json!({})).await)
        .iter()
        .map(|event| (text(event, "/$metadata/service").to_owned(), text(event, "/$metadata/type").to_owned()))
        .collect();
    found.sort();
    let expected =
        [("open", "cf-worker"), ("open", "cf-worker-event"), ("open", "cf-worker-event"), ("terse", "cf-worker")];
    assert_eq!(found, expected.map(|(service, kind)| (service.to_owned(), kind.to_owned())));
}

#[tokio::test]
async fn keys_and_values_are_those_of_events() {
    let (_directory, telemetry) = keeper().await;
    for number in 0..300 {
        let mut record = invocation(number);
        record.worker = format!("worker-{}", number % 3);
        if number == 5 {
            record.logs.push(line("an old one"));
            record.logs[0].message = vec![json!({ "user": { "id": 7, "name": "Ann" }, "tags": ["a"] })];
        }
        telemetry.recorder().invocation(record);
    }
    telemetry.flush().await.unwrap();
    let found =
        async |question: Result<LogQuestion, InvalidFilter>| telemetry.logs(&question.unwrap(), "local").await.unwrap();
    let keys = found(LogQuestion::keys(&json!({}))).await;
    let named: Vec<_> =
        list(&keys).iter().map(|key| (text(key, "/key").to_owned(), text(key, "/type").to_owned())).collect();
    for (key, kind) in [
        ("user.id", "number"),
        ("user.name", "string"),
        ("level", "string"),
        ("$workers.truncated", "boolean"),
        ("$workers.event.response.status", "number"),
        ("$workers.event.request.headers.accept", "string"),
        ("$metadata.service", "string"),
    ] {
        assert!(named.contains(&(key.to_owned(), kind.to_owned())), "{key}: {named:?}");
    }
    assert!(!named.iter().any(|(key, _)| key.starts_with("tags") || key == "timestamp"), "{named:?}");
    // What is named can be asked for.
    for (key, kind) in &named {
        let filters = json!([{ "key": key, "operation": "exists", "type": kind }]);
        assert!(ask(&telemetry, &json!({ "filters": filters }), json!({})).await.count > 0, "{key}");
    }
    let few = found(LogQuestion::keys(&json!({ "keyNeedle": { "value": "USER." }, "limit": 1 }))).await;
    assert_eq!((text(&few.result, "/0/key"), few.count), ("user.id", 1));

    let values = |key: &str, kind: &str, limit: usize| {
        LogQuestion::values(
            &json!({ "datasets": [], "key": key, "type": kind, "timeframe": timeframe(), "limit": limit }),
        )
    };
    let services = found(values("$metadata.service", "string", 10)).await;
    let shown: Vec<_> = list(&services).iter().map(|value| text(value, "/value").to_owned()).collect();
    assert_eq!(shown, ["worker-2", "worker-1", "worker-0"]);
    assert_eq!(found(values("$metadata.service", "string", 2)).await.count, 2);
    assert_eq!(found(values("user.id", "number", 10)).await.result[0]["value"], 7);
    assert_eq!(found(values("user.id", "string", 10)).await.count, 0);
}

#[tokio::test]
async fn an_answer_says_how_far_it_looked_back() {
    let (_directory, telemetry) = keeper().await;
    let begun = moment(0);
    for number in 0..20_500 {
        let mut record = invocation(number);
        if number == 100 {
            record.logs.push(line("the one"));
        }
        telemetry.recorder().invocation(record);
    }
    telemetry.flush().await.unwrap();
    let parameters = json!({ "filters": [filter("$metadata.message", "starts_with", "string", json!("the one"))] });
    let first = ask(&telemetry, &parameters, json!({})).await;
    assert_eq!((first.count, first.invocations_read), (0, 20_000));
    let reached = first.looked_back_to.unwrap();
    assert!(
        reached >= begun + Duration::from_millis(500),
        "{reached} is before the 20,000 newest, of those from {begun} on"
    );
    let second = ask(&telemetry, &parameters, json!({ "offset": first.next.unwrap() })).await;
    assert_eq!((second.count, second.next, second.looked_back_to), (1, None, None));
    assert_eq!(second.invocations_read, 500);
    // By its text it is found at once.
    let found = ask(&telemetry, &json!({ "needle": { "value": "the one" } }), json!({})).await;
    assert_eq!((found.count, found.invocations_read), (1, 1));
}

#[tokio::test]
async fn an_answer_is_not_larger_than_8_mib_and_a_bit() {
    let (_directory, telemetry) = keeper().await;
    for number in 0..100 {
        let mut record = invocation(number);
        record.headers = vec![("x-long".to_owned(), "x".repeat(200_000))];
        telemetry.recorder().invocation(record);
    }
    telemetry.flush().await.unwrap();
    let first = ask(&telemetry, &json!({}), json!({})).await;
    assert!(first.count > 10 && first.count < 50, "{}", first.count);
    let found = all(&telemetry, &json!({}), 100).await;
    assert_eq!(found.len(), 100);
    let invocations = ask(&telemetry, &json!({}), json!({ "view": "invocations" })).await;
    assert_eq!(invocations.count, first.count);
}
