//! A keeper that is killed loses at most what it had no second to write.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use telemetry::{InvocationFilter, MetricsQuery, MetricsSubject, Paging, Telemetry};

use crate::engine::location;
use crate::facts::{connection, invocation, refused, unlimited};

const DIRECTORY: &str = "CULVERT_TEST_CRASH_DIRECTORY";

/// Not a test by itself: the process that is killed. Records a fact of each kind each millisecond and prints their number. Every
/// second attempt fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let telemetry = Telemetry::open(&location(std::path::Path::new(&directory)).await, unlimited()).await.unwrap();
    let recorder = telemetry.recorder();
    for number in 0.. {
        recorder.invocation(invocation(number));
        recorder.connection(if number % 2 == 0 { connection(number) } else { refused(number) });
        println!("recorded {number}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn killing_loses_at_most_the_last_second() {
    for round in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::crash_child", "--exact", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let life = Duration::from_millis(1500 + round * 333);
        let begun = Instant::now();
        let mut recorded = Vec::new();
        for line in lines.map_while(Result::ok) {
            // The harness may print on the same line.
            let Some(number) = line.rsplit("recorded ").next().and_then(|number| number.parse::<u64>().ok()) else {
                continue;
            };
            recorded.push((Instant::now(), number));
            if begun.elapsed() > life {
                break;
            }
        }
        // SIGKILL.
        child.kill().unwrap();
        let killed = Instant::now();
        child.wait().unwrap();
        let must_be_there = recorded
            .iter()
            .filter(|(seen, _)| killed.duration_since(*seen) > Duration::from_secs(1))
            .map(|(_, number)| *number)
            .max()
            .unwrap();

        let telemetry = Telemetry::open(&location(directory.path()).await, unlimited()).await.unwrap();
        let mut numbers = Vec::new();
        let mut after = None;
        loop {
            let paging = Paging::new(1000, after).unwrap();
            let page = telemetry.invocations(&InvocationFilter::default(), &paging).await.unwrap();
            numbers.extend(page.items.iter().map(|view| view.ray_id.0));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        numbers.sort_unstable();
        let last = *numbers.last().unwrap();
        assert_eq!(numbers, (0..=last).collect::<Vec<_>>(), "a hole");
        assert!(last >= must_be_there, "{last} stored, {must_be_there} recorded more than a second before the end");

        // Metrics as well: what was counted more than a second before the end is there, once, by every way of asking.
        let most = recorded.last().unwrap().1 + 1000;
        for step in ["60", "3600", "86400"] {
            for (subject, shares) in [(MetricsSubject::Workers, 1), (MetricsSubject::Connections, 2)] {
                let asked = MetricsQuery::from_pairs(subject, [("step", step), ("quantiles", "true")]).unwrap();
                let found = telemetry.metric_groups(&asked).await.unwrap();
                let group = &found["groups"][0];
                let count = group["count"].as_u64().unwrap();
                assert!(
                    (must_be_there + 1..most).contains(&count),
                    "{subject:?} by {step}: {count} of {must_be_there}"
                );
                if shares == 2 {
                    assert_eq!(group["failed"], count / 2);
                    assert_eq!(group["dns"]["count"], count);
                } else {
                    assert_eq!(group["cpu"]["count"], count);
                }
            }
        }
    }
}
