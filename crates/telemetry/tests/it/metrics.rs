//! Metrics are exact, whatever becomes of the facts.

use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use invocation::Outcome;
use serde_json::Value;
use telemetry::{
    ConnectionFilter, InvocationFilter, MetricsQuery, MetricsSubject, Paging, PrometheusFormat, Sampling, Telemetry,
    TelemetryOptions,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::engine::location;
use crate::facts::{connection, invocation, keeper, keeper_with, line, unlimited};

/// The groups of the last hour.
async fn ask(telemetry: &Telemetry, subject: MetricsSubject, pairs: &[(&str, &str)]) -> Vec<Value> {
    let query = MetricsQuery::from_pairs(subject, pairs.iter().copied()).unwrap();
    let found = telemetry.metric_groups(&query).await.unwrap();
    found["groups"].as_array().unwrap().clone()
}

/// By a part of the key.
fn counts(groups: &[Value], by: &str) -> Vec<(String, u64)> {
    let name = |group: &Value| group["key"][by].as_str().unwrap().to_owned();
    groups.iter().map(|group| (name(group), group["count"].as_u64().unwrap())).collect()
}

/// Number `i` of a known mix.
fn record(telemetry: &Telemetry, i: u64) {
    let recorder = telemetry.recorder();
    let mut record = invocation(i);
    record.worker = if i.is_multiple_of(4) { "shop".to_owned() } else { "hello".to_owned() };
    record.version = Uuid::from_u128(u128::from(i % 2));
    record.cpu_time = Duration::from_micros(i + 1);
    record.outcome = match i % 100 {
        0 => Outcome::ExceededCpu,
        1..=4 => Outcome::Exception,
        5 => Outcome::Canceled,
        _ => Outcome::Ok,
    };
    record.status = (record.outcome == Outcome::Ok).then_some(if i.is_multiple_of(10) { 404 } else { 200 });
    recorder.invocation(record);
    let mut event = connection(i);
    event.worker = if i.is_multiple_of(4) { "shop".to_owned() } else { "hello".to_owned() };
    event.service = Uuid::from_u128(u128::from(i % 3));
    event.reused = i.is_multiple_of(2);
    event.timings.head = Some(Duration::from_micros(i + 1));
    event.error = match i % 50 {
        0 => Some(ConnectionError::new(ErrorCode::ConnectionRefused, Phase::Connect, "refused")),
        1 => Some(ConnectionError::nxdomain("no such name")),
        2 | 3 => Some(ConnectionError::new(ErrorCode::DnsError, Phase::Dns, "SERVFAIL")),
        _ => None,
    };
    recorder.connection(event);
}

#[tokio::test]
async fn ten_thousand_requests_are_ten_thousand() {
    // Most facts are shed, which the counts must not show.
    let options = TelemetryOptions { queue_facts: 100, max_connections_per_second: 10, ..unlimited() };
    let (_directory, telemetry) = keeper_with(options).await;
    for i in 0..10_000 {
        record(&telemetry, i);
        if i % 2500 == 0 {
            telemetry.flush().await.unwrap();
        }
    }
    telemetry.flush().await.unwrap();
    let lost = telemetry.losses();
    assert!(lost.invocations.total() > 0);
    // Whoever lists facts of this time is told how many are not there.
    let page = telemetry.invocations(&InvocationFilter::default(), &Paging::default()).await.unwrap();
    assert_eq!(page.lost, lost.invocations.total());
    let long_ago = InvocationFilter { until: Some(OffsetDateTime::UNIX_EPOCH), ..InvocationFilter::default() };
    assert_eq!(telemetry.invocations(&long_ago, &Paging::default()).await.unwrap().lost, 0);

    let (workers, connections) = (MetricsSubject::Workers, MetricsSubject::Connections);
    for step in ["60", "3600", "86400"] {
        let all = ask(&telemetry, workers, &[("by", "worker"), ("quantiles", "true"), ("step", step)]).await;
        assert_eq!(counts(&all, "worker"), [("hello".to_owned(), 7500), ("shop".to_owned(), 2500)]);
        let failed: u64 = all.iter().map(|group| group["failed"].as_u64().unwrap()).sum();
        assert_eq!(failed, 500);
        let outcomes = ask(&telemetry, workers, &[("by", "outcome"), ("step", step)]).await;
        let expected = [("ok", 9400), ("exception", 400), ("canceled", 100), ("exceededCpu", 100)];
        assert_eq!(counts(&outcomes, "outcome"), expected.map(|(outcome, count)| (outcome.to_owned(), count)));
        // CPU times of "hello" are 1 to 10,000 microseconds without every fourth.
        for (found, exact) in [("p50", 5.0), ("p90", 9.0), ("p99", 9.9)] {
            let found = all[0]["cpu"][found].as_f64().unwrap();
            assert!((found - exact).abs() < exact * 0.02, "{found} for {exact}");
        }
        let points = all.iter().flat_map(|group| group["points"].as_array().unwrap());
        assert_eq!(points.map(|point| point["count"].as_u64().unwrap()).sum::<u64>(), 10_000);
    }

    let versions = ask(&telemetry, workers, &[("worker", "shop"), ("by", "version")]).await;
    assert_eq!(counts(&versions, "version"), [(Uuid::nil().to_string(), 2500)]);

    let all = ask(&telemetry, connections, &[("quantiles", "true")]).await;
    assert_eq!((all[0]["count"].as_u64(), all[0]["failed"].as_u64()), (Some(10_000), Some(800)));
    // A phase that failed has no latency.
    assert_eq!((&all[0]["dns"]["count"], &all[0]["connect"]["count"]), (&9400.into(), &9800.into()));
    assert!(all[0].get("tls").is_none());
    // With the 2.25 milliseconds before the last phase.
    assert!((all[0]["first_byte"]["p99"].as_f64().unwrap() - 12.15).abs() < 0.24);
    let categories = ask(&telemetry, connections, &[("by", "category")]).await;
    let found: Vec<_> = categories.iter().map(|group| (group["key"]["category"].as_str(), &group["count"])).collect();
    assert_eq!(found, [(None, &9200.into()), (Some("Bad Upstream"), &600.into()), (Some("Client"), &200.into())]);

    let service = Uuid::from_u128(1).to_string();
    let some = [("service", service.as_str()), ("worker", "shop"), ("category", "bad_upstream"), ("quantiles", "true")];
    let found = ask(&telemetry, connections, &some).await;
    let expected = (0..10_000).filter(|i| i % 3 == 1 && i % 4 == 0 && [0, 2, 3].contains(&(i % 50))).count();
    assert_eq!(found[0]["count"], expected);
    // Latencies are kept by service and tunnel only.
    assert!(found[0].get("dns").is_none());
    assert!(ask(&telemetry, connections, &[("worker", "nobody")]).await.is_empty());

    let text = telemetry.render_prometheus(PrometheusFormat::OpenMetrics);
    let value = |line: &str| {
        let found =
            text.lines().find_map(|given| given.strip_prefix(line)).unwrap_or_else(|| panic!("no {line} in {text}"));
        found.trim().parse::<f64>().unwrap() as u64
    };
    assert_eq!(value("culvert_worker_invocations_total{worker=\"hello\",outcome=\"ok\"}"), 7500 - 400);
    assert_eq!(value("culvert_worker_cpu_time_seconds_count{worker=\"shop\"}"), 2500);
    assert_eq!(value("culvert_worker_cpu_time_seconds_bucket{le=\"0.001\",worker=\"shop\"}"), 250);
    let refused: u64 = (0..3)
        .map(|service| {
            let id = Uuid::from_u128(service);
            value(&format!(
                "culvert_vpc_connection_errors_total{{service_id=\"{id}\",service=\"api\",code=\"connection_refused\",category=\"Bad Upstream\"}}"
            ))
        })
        .sum();
    assert_eq!(refused, 200);
    let losses = telemetry.losses();
    assert_eq!(
        value("culvert_telemetry_dropped_total{kind=\"invocation\",reason=\"queue_full\"}"),
        losses.invocations.queue_full
    );
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_was_given_up_neither_succeeded_nor_failed() {
    let (_directory, telemetry) = keeper().await;
    for number in 0..100 {
        let mut event = connection(number);
        match number % 10 {
            0 | 1 => {
                event.canceled = true;
                event.status = None;
                event.timings.head = None;
            }
            // A failure that is not waited for is a failure.
            2 => {
                event.canceled = true;
                event.status = None;
                event.error = Some(ConnectionError::nxdomain("no such name"));
            }
            _ => {}
        }
        telemetry.recorder().connection(event);
    }
    telemetry.flush().await.unwrap();
    let measures = |group: &Value| ["count", "failed", "canceled"].map(|name| group[name].as_u64().unwrap());
    let ask = async |pairs: &[(&str, &str)]| ask(&telemetry, MetricsSubject::Connections, pairs).await;
    let all = ask(&[("step", "60"), ("quantiles", "true")]).await;
    assert_eq!(measures(&all[0]), [100, 10, 20]);
    assert_eq!(all[0]["points"].as_array().unwrap().iter().map(|point| measures(point)[2]).sum::<u64>(), 20);
    // Phases that were completed count.
    assert_eq!((&all[0]["connect"]["count"], &all[0]["first_byte"]["count"]), (&100.into(), &80.into()));
    let by_code: Vec<_> =
        ask(&[("by", "code")]).await.iter().map(|group| (group["key"]["code"].clone(), measures(group))).collect();
    assert_eq!(by_code, [(Value::Null, [90, 0, 20]), ("dns_error".into(), [10, 10, 0])]);
    for filter in [("code", "none"), ("category", "none")] {
        assert_eq!(measures(&ask(&[filter]).await[0]), [70, 0, 0], "{filter:?}");
    }
    let listed = async |name: &str, value: &str| {
        let (filter, paging) = ConnectionFilter::from_pairs([(name, value)]).unwrap();
        telemetry.connections(&filter, &paging).await.unwrap().items
    };
    for (name, value, count) in
        [("canceled", "true", 20), ("canceled", "false", 100), ("failed", "true", 10), ("code", "none", 70)]
    {
        assert_eq!(listed(name, value).await.len(), count, "{name}={value}");
    }
    let given_up = serde_json::to_value(&listed("canceled", "true").await[0]).unwrap();
    assert_eq!((&given_up["canceled"], given_up.get("status")), (&true.into(), None));
    let succeeded = serde_json::to_value(&listed("category", "none").await[0]).unwrap();
    assert_eq!(succeeded.get("canceled"), None);
    let text = telemetry.render_prometheus(PrometheusFormat::Text);
    for (result, count) in [("success", 70), ("failure", 10), ("canceled", 20)] {
        let line = format!("service=\"api\",result=\"{result}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
}

#[tokio::test]
async fn metrics_go_on_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let location = location(directory.path()).await;
    for round in 1..=3_u64 {
        let telemetry = Telemetry::open(&location, unlimited()).await.unwrap();
        for i in 0..100 {
            record(&telemetry, i);
        }
        telemetry.flush().await.unwrap();
        let workers = ask(&telemetry, MetricsSubject::Workers, &[("step", "86400")]).await;
        assert_eq!(workers[0]["count"], round * 100);
        let connections =
            ask(&telemetry, MetricsSubject::Connections, &[("step", "86400"), ("quantiles", "true")]).await;
        assert_eq!((&connections[0]["count"], &connections[0]["failed"]), (&(round * 100).into(), &(round * 8).into()));
        assert_eq!(connections[0]["first_byte"]["count"], round * 100);
        telemetry.close().await.unwrap();
    }
}

#[tokio::test]
async fn head_sampling_keeps_a_share_and_counts_all() {
    let (_directory, telemetry) = keeper().await;
    telemetry.set_sampling("hello", Sampling { head_sampling_rate: 0.25, invocation_logs: true });
    telemetry.set_sampling("quiet", Sampling { head_sampling_rate: 1.0, invocation_logs: false });
    let recorder = telemetry.recorder();
    for number in 0..4000 {
        recorder.invocation(invocation(number));
    }
    for number in 4000..4010 {
        let mut record = invocation(number);
        record.worker = "quiet".to_owned();
        if number < 4003 {
            record.logs.push(line("something"));
        }
        recorder.invocation(record);
    }
    telemetry.flush().await.unwrap();
    let count = async |worker: &str| {
        let filter = InvocationFilter { worker: Some(worker.to_owned()), ..InvocationFilter::default() };
        let mut count = 0;
        let mut after = None;
        loop {
            let page = telemetry.invocations(&filter, &Paging::new(1000, after).unwrap()).await.unwrap();
            count += page.items.len();
            after = page.next;
            if after.is_none() {
                return count;
            }
        }
    };
    let kept = count("hello").await;
    assert!((800..1200).contains(&kept), "{kept}");
    assert_eq!(count("quiet").await, 3);
    assert_eq!(telemetry.losses().sampled_out as usize, 4010 - kept - 3);
    assert_eq!(ask(&telemetry, MetricsSubject::Workers, &[]).await[0]["count"], 4010);
}

#[tokio::test]
async fn groups_of_a_known_load_are_exact() {
    let (_directory, telemetry) = keeper().await;
    for i in 0..1000 {
        record(&telemetry, i);
    }
    telemetry.flush().await.unwrap();
    let ask = async |subject, pairs: &[(&'static str, &'static str)]| {
        let query = MetricsQuery::from_pairs(subject, pairs.iter().copied()).unwrap();
        telemetry.metric_groups(&query).await.unwrap()
    };
    let connections = MetricsSubject::Connections;
    let by_code = ask(connections, &[("by", "code")]).await;
    assert_eq!(by_code["step"], serde_json::Value::Null);
    let groups: Vec<_> = by_code["groups"].as_array().unwrap().iter().collect();
    let found: Vec<_> = groups
        .iter()
        .map(|group| (group["key"].to_string(), group["count"].as_u64().unwrap(), group["failed"].as_u64().unwrap()))
        .collect();
    let expected = [
        (r#"{"category":null,"code":null}"#, 920, 0),
        (r#"{"category":"Bad Upstream","code":"dns_error"}"#, 40, 40),
        (r#"{"category":"Bad Upstream","code":"connection_refused"}"#, 20, 20),
        (r#"{"category":"Client","code":"dns_error"}"#, 20, 20),
    ];
    assert_eq!(found, expected.map(|(key, count, failed)| (key.to_owned(), count, failed)));
    assert!(groups[0].get("points").is_none());

    let all = ask(connections, &[("step", "300"), ("quantiles", "true")]).await;
    let group = &all["groups"][0];
    assert_eq!((&group["key"], &group["count"]), (&serde_json::json!({}), &1000.into()));
    assert_eq!(group["dns"]["count"], 940);
    assert!((group["first_byte"]["p50"].as_f64().unwrap() - 2.75).abs() < 0.05, "{group}");
    let points: u64 = group["points"].as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap()).sum();
    assert_eq!(points, 1000);
    assert_eq!(group["points"][0]["at"].as_i64().unwrap() % 300_000, 0);

    let failed = ask(connections, &[("category", "client"), ("code", "dns_error"), ("worker", "hello")]).await;
    // i % 50 == 1 is never a multiple of four when i is odd; of the 20, those that are go to "shop".
    let hello = (0..1000_u64).filter(|i| i % 50 == 1 && !i.is_multiple_of(4)).count();
    assert_eq!(failed["groups"][0]["count"], hello);
    let well = ask(connections, &[("code", "none")]).await;
    assert_eq!(well["groups"][0]["count"], 920);
    assert_eq!(ask(connections, &[("worker", "nobody")]).await["groups"], serde_json::json!([]));

    let workers = MetricsSubject::Workers;
    let by_worker = ask(workers, &[("by", "worker"), ("quantiles", "true"), ("step", "60")]).await;
    assert_eq!(by_worker["groups"][0]["key"], serde_json::json!({"worker": "hello"}));
    assert_eq!(by_worker["groups"][0]["count"], 750);
    assert_eq!(by_worker["groups"][0]["wall"]["count"], 750);
    let by_outcome = ask(workers, &[("by", "outcome"), ("outcome", "canceled"), ("outcome", "exception")]).await;
    let groups: Vec<_> = by_outcome["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            (
                group["key"]["outcome"].as_str().unwrap(),
                group["count"].as_u64().unwrap(),
                group["failed"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(groups, [("exception", 40, 40), ("canceled", 10, 0)]);
}

#[test]
fn what_cannot_be_asked_for_is_refused_with_its_name() {
    for (name, value) in [
        ("step", "61"),
        ("by", "colour"),
        ("limit", "0"),
        ("limit", "1001"),
        ("service", "x"),
        ("code", "no"),
        ("since", "yesterday"),
        ("quantiles", "maybe"),
        ("outcome", "ok"),
    ] {
        let error = MetricsQuery::from_pairs(MetricsSubject::Connections, [(name, value)]).unwrap_err();
        assert_eq!(error.name, name);
    }
}

#[tokio::test]
async fn failures_are_counted_by_what_their_detail_says() {
    let (_directory, telemetry) = keeper().await;
    let now = OffsetDateTime::now_utc();
    for number in 0..60 {
        let mut event = connection(number);
        event.started = now - Duration::from_secs(number);
        event.worker = if number.is_multiple_of(2) { "shop".to_owned() } else { "hello".to_owned() };
        event.error = match number % 3 {
            0 => Some(ConnectionError::new(ErrorCode::ConnectionRefused, Phase::Connect, "10.0.0.5:8080 refused")),
            1 => Some(ConnectionError::nxdomain("no such name: DB.internal")),
            _ => None,
        };
        telemetry.recorder().connection(event);
    }
    telemetry.flush().await.unwrap();
    let ask = async |pairs: &[(&str, &str)]| {
        let query = MetricsQuery::from_pairs(MetricsSubject::Connections, pairs.iter().copied()).unwrap();
        telemetry.metric_groups(&query).await.unwrap()
    };
    let found = ask(&[("detail", "db.INTERNAL"), ("by", "code"), ("step", "60")]).await;
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{found}");
    assert_eq!(groups[0]["key"], serde_json::json!({"code": "dns_error", "category": "Client"}));
    assert_eq!((groups[0]["count"].as_u64(), groups[0]["failed"].as_u64()), (Some(20), Some(20)));
    let points = groups[0]["points"].as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap());
    assert_eq!(points.sum::<u64>(), 20);
    assert!(found.get("counted_since").is_none());
    let found = ask(&[("detail", "refused"), ("worker", "shop"), ("category", "bad_upstream")]).await;
    assert_eq!(found["groups"][0]["count"], 10);
    let found = ask(&[("detail", "refused"), ("code", "dns_error")]).await;
    assert_eq!(found["groups"], serde_json::json!([]));
    let refused = MetricsQuery::from_pairs(MetricsSubject::Workers, [("detail", "x")]).unwrap_err();
    assert!(refused.to_string().contains("there is no such filter"), "{refused}");
}
