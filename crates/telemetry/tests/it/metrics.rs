//! Metrics are exact, whatever becomes of the facts.

use std::collections::BTreeMap;
use std::time::Duration;

use connection_error::{Category, ConnectionError, ErrorCode, Phase};
use invocation::Outcome;
use telemetry::{
    ConnectionMetricsFilter, InvocationFilter, MetricsQuery, MetricsRange, MetricsSubject, Paging, PrometheusFormat,
    Resolution, Sampling, Telemetry, TelemetryOptions, WorkerMetricsFilter,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::engine::location;
use crate::facts::{connection, invocation, keeper, keeper_with, line, unlimited};

fn last_hour(step: Resolution) -> MetricsRange {
    let now = OffsetDateTime::now_utc();
    MetricsRange::new(now - Duration::from_secs(3600), now, step).unwrap()
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

    for step in [Resolution::Minute, Resolution::Hour, Resolution::Day] {
        let all = telemetry.worker_metrics(&WorkerMetricsFilter::default(), last_hour(step)).await.unwrap();
        let names: Vec<_> = all.iter().map(|series| (series.worker.as_str(), series.total.counts.requests)).collect();
        assert_eq!(names, [("hello", 7500), ("shop", 2500)]);
        let mut outcomes = BTreeMap::new();
        for series in &all {
            for (outcome, count) in &series.total.counts.outcomes {
                *outcomes.entry(*outcome).or_insert(0) += count;
            }
        }
        let expected =
            [(Outcome::Ok, 9400), (Outcome::Canceled, 100), (Outcome::Exception, 400), (Outcome::ExceededCpu, 100)];
        assert_eq!(outcomes, BTreeMap::from(expected));
        assert_eq!(all.iter().map(|series| series.total.errors).sum::<u64>(), 500);
        let classes = all.iter().map(|series| series.total.counts.status_classes);
        let classes = classes.fold([0; 6], |sum, classes| std::array::from_fn(|i| sum[i] + classes[i]));
        assert_eq!(classes, [600, 0, 8500, 0, 900, 0]);
        // CPU times of "hello" are 1 to 10,000 microseconds without every fourth.
        let cpu = all[0].total.cpu_ms;
        for (found, exact) in [(cpu.p50, 5.0), (cpu.p90, 9.0), (cpu.p99, 9.9), (cpu.max, 10.0), (cpu.mean, 5.001)] {
            let found = found.unwrap();
            assert!((found - exact).abs() < exact * 0.02, "{found} for {exact}");
        }
        let points: u64 = all.iter().flat_map(|series| &series.points).map(|point| point.counts.requests).sum();
        assert_eq!(points, 10_000);
    }

    let by_version = WorkerMetricsFilter { worker: Some("shop".to_owned()), by_version: true, version: None };
    let versions = telemetry.worker_metrics(&by_version, last_hour(Resolution::Minute)).await.unwrap();
    assert_eq!((versions.len(), versions[0].total.counts.requests), (1, 2500));

    let all = ConnectionMetricsFilter::default();
    let connections = telemetry.connection_metrics(&all, last_hour(Resolution::Minute)).await.unwrap().total;
    assert_eq!((connections.attempts, connections.failed, connections.reused), (10_000, 800, 5000));
    assert_eq!(connections.categories, BTreeMap::from([(Category::BadUpstream, 600), (Category::Client, 200)]));
    let failures: Vec<_> =
        connections.failures.iter().map(|failure| (failure.code, failure.category, failure.count)).collect();
    assert_eq!(failures[0], (ErrorCode::DnsError, Category::BadUpstream, 400));
    assert!(failures.contains(&(ErrorCode::DnsError, Category::Client, 200)));
    assert!(failures.contains(&(ErrorCode::ConnectionRefused, Category::BadUpstream, 200)));
    let latencies = connections.latencies.unwrap();
    // A phase that failed has no latency.
    assert_eq!((latencies.dns_ms.count, latencies.connect_ms.count, latencies.tls_ms.count), (9400, 9800, 0));
    // With the 2.25 milliseconds before the last phase.
    assert!((latencies.first_byte_ms.p99.unwrap() - 12.15).abs() < 0.24);

    let some = ConnectionMetricsFilter {
        service: Some(Uuid::from_u128(1)),
        worker: Some("shop".to_owned()),
        category: Some(Category::BadUpstream),
        ..ConnectionMetricsFilter::default()
    };
    let found = telemetry.connection_metrics(&some, last_hour(Resolution::Hour)).await.unwrap().total;
    let expected = (0..10_000).filter(|i| i % 3 == 1 && i % 4 == 0 && [0, 2, 3].contains(&(i % 50))).count();
    assert_eq!((found.attempts, found.latencies), (expected as u64, None));
    let counts = telemetry.connection_counts(&some, last_hour(Resolution::Hour)).await.unwrap();
    assert_eq!(counts.iter().map(|count| count.attempts).sum::<u64>(), expected as u64);
    let nobody = ConnectionMetricsFilter { worker: Some("nobody".to_owned()), ..ConnectionMetricsFilter::default() };
    let nothing = telemetry.connection_metrics(&nobody, last_hour(Resolution::Hour)).await.unwrap();
    assert_eq!((nothing.total.attempts, nothing.points.len()), (0, 0));

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
async fn metrics_go_on_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let location = location(directory.path()).await;
    for round in 1..=3_u64 {
        let telemetry = Telemetry::open(&location, unlimited()).await.unwrap();
        for i in 0..100 {
            record(&telemetry, i);
        }
        telemetry.flush().await.unwrap();
        let range = last_hour(Resolution::Day);
        let workers = telemetry.worker_metrics(&WorkerMetricsFilter::default(), range).await.unwrap();
        assert_eq!(workers.iter().map(|series| series.total.counts.requests).sum::<u64>(), round * 100);
        let connections = telemetry.connection_metrics(&ConnectionMetricsFilter::default(), range).await.unwrap();
        assert_eq!((connections.total.attempts, connections.total.failed), (round * 100, round * 8));
        assert_eq!(connections.total.latencies.unwrap().first_byte_ms.count, round * 100);
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
    let metrics = telemetry.worker_metrics(&WorkerMetricsFilter::default(), last_hour(Resolution::Hour)).await.unwrap();
    assert_eq!(metrics.iter().map(|series| series.total.counts.requests).sum::<u64>(), 4010);
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
