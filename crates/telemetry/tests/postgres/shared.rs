//! What is different where several edges share a database.

use sqlx::ConnectOptions;
use telemetry::{
    ConnectionFilter, InvocationFilter, MetricsQuery, MetricsSubject, Paging, Telemetry, TelemetryLocation,
    TelemetryOptions,
};

use crate::engine::{location, options};
use crate::facts::{invocation, refused, unlimited};

async fn groups(telemetry: &Telemetry, subject: MetricsSubject, pairs: &[(&str, &str)]) -> Vec<serde_json::Value> {
    let query = MetricsQuery::from_pairs(subject, pairs.iter().copied()).unwrap();
    telemetry.metric_groups(&query).await.unwrap()["groups"].as_array().unwrap().clone()
}

async fn requests(telemetry: &Telemetry, worker: &str) -> u64 {
    let found = groups(telemetry, MetricsSubject::Workers, &[("worker", worker)]).await;
    found.iter().map(|group| group["count"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_edges_count_into_the_same_minutes_and_see_each_others_facts() {
    let location = location(std::path::Path::new("")).await;
    let (one, other) = tokio::join!(Telemetry::open(&location, unlimited()), Telemetry::open(&location, unlimited()));
    let edges = [one.unwrap(), other.unwrap()];
    for round in 0..10_u64 {
        for (place, edge) in edges.iter().enumerate() {
            for number in 0..20 {
                let mut record = invocation(round * 100 + number * 2 + place as u64);
                edge.recorder().invocation(record.clone());
                // A name that the other edge meets in rows only.
                record.worker = format!("only-at-{place}-{round}");
                edge.recorder().invocation(record);
                edge.recorder().connection(refused(round * 100 + number * 2 + place as u64));
            }
        }
        let (one, other) = tokio::join!(edges[0].flush(), edges[1].flush());
        one.unwrap();
        other.unwrap();
    }
    for edge in &edges {
        assert_eq!(requests(edge, "hello").await, 400);
        assert_eq!((requests(edge, "only-at-0-9").await, requests(edge, "only-at-1-9").await), (20, 20));
        let attempts = groups(edge, MetricsSubject::Connections, &[]).await;
        assert_eq!((&attempts[0]["count"], &attempts[0]["failed"]), (&400.into(), &400.into()));
        let page = edge.invocations(&InvocationFilter::default(), &Paging::new(1000, None).unwrap()).await.unwrap();
        assert_eq!(page.items.len(), 800);
        assert!(page.items.iter().any(|view| view.script_name == "only-at-0-3"));
        assert!(page.items.iter().any(|view| view.script_name == "only-at-1-3"));
        let filter = InvocationFilter { worker: Some("only-at-1-0".to_owned()), ..InvocationFilter::default() };
        let page = edge.invocations(&filter, &Paging::new(1000, None).unwrap()).await.unwrap();
        assert_eq!(page.items.len(), 20);
        let page = edge.connections(&ConnectionFilter::default(), &Paging::new(1000, None).unwrap()).await.unwrap();
        assert_eq!(page.items.len(), 400);
    }
}

#[tokio::test]
async fn a_server_that_drops_its_connections_costs_no_count() {
    let location = location(std::path::Path::new("")).await;
    let telemetry = Telemetry::open(&location, unlimited()).await.unwrap();
    let mut administrator = options(&location).connect().await.unwrap();
    for number in 0..5 {
        telemetry.recorder().invocation(invocation(number));
        telemetry.flush().await.unwrap();
        let terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                         WHERE application_name = 'culvert telemetry' AND datname = current_database()";
        sqlx::query(terminate).fetch_all(&mut administrator).await.unwrap();
        telemetry.recorder().invocation(invocation(100 + number));
        // It may fail, once for each connection that is found broken.
        while telemetry.flush().await.is_err() {}
    }
    assert_eq!(requests(&telemetry, "hello").await, 10);
    let page = telemetry.invocations(&InvocationFilter::default(), &Paging::default()).await.unwrap();
    assert_eq!(page.items.len() as u64 + telemetry.losses().invocations.unwritten, 10);
}

#[tokio::test]
async fn what_cannot_be_reached_says_why_and_keeps_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("postgres://ops:hunter2@localhost/culvert?host={}", directory.path().display());
    let location = TelemetryLocation::Postgres(Box::new(url.parse().unwrap()));
    let error = Telemetry::open(&location, TelemetryOptions::default()).await.unwrap_err();
    let text = format!("{error} {error:?} {location:?}");
    assert!(text.contains("PostgreSQL database \"culvert\"") && text.contains("check that the server runs"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
