//! From what was counted to rows by the minute, and from those to hours and days, and to sums of each.
//!
//! A minute's row is written at each flush, so a process that is killed loses at most what it counted since. An hour is
//! made of its minutes once it is over, a day of its hours; both can be made again at any time and come out the same. So do
//! the sums of a bucket ([`overview`]), which are made once it is over.
//!
//! Edges that share a database add to the same minutes: each reads what is there, adds, and writes it, under a lock. Each
//! makes every hour and day, whoever counted in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::database::{Engine, Lock, Names, Statement, Transaction, Writer};
use crate::error::TelemetryError;
use crate::metrics::counting::Metrics;
use crate::metrics::overview;
use crate::metrics::rows::{self, Numbered, Resolution};

const MINUTES_PER_HOUR: i64 = 60;
const HOURS_PER_DAY: i64 = 24;
/// So many minutes back there are minutes to make hours of, and some more.
const MOST_MINUTES: usize = 50 * 60;

/// So many buckets are removed at a time: facts wait for it.
const FORGOTTEN: i64 = 30;

/// What is known of the database's latest buckets.
#[derive(Debug, Default)]
pub(crate) struct Rollup {
    /// Minutes as they are in the database, those that may still be added to.
    minutes: BTreeMap<i64, Metrics>,
    /// Buckets that were added to since they were summed up.
    unsummed: BTreeSet<(Resolution, i64)>,
    /// Hours with minutes that they were not made of yet.
    stale_hours: BTreeSet<i64>,
    stale_days: BTreeSet<i64>,
    /// The minute when it was last looked.
    latest_minute: Option<i64>,
}

impl Rollup {
    /// Looks for what an earlier process left unmade.
    pub(crate) async fn open(writer: &mut Writer) -> Result<Self, TelemetryError> {
        let mut rollup = Self::default();
        let mut transaction = writer.begin().await?;
        for (fine, coarse, stale) in [
            (Resolution::Minute, Resolution::Hour, &mut rollup.stale_hours),
            (Resolution::Hour, Resolution::Day, &mut rollup.stale_days),
        ] {
            let ratio = coarse.seconds() / fine.seconds();
            for table in [
                "SELECT DISTINCT bucket / $1 AS coarse FROM worker_metrics WHERE resolution = $2 AND bucket / $1 >= \
                 (SELECT coalesce(max(bucket), 0) FROM worker_metrics WHERE resolution = $3)",
                "SELECT DISTINCT bucket / $1 AS coarse FROM connection_counts WHERE resolution = $2 AND bucket / $1 >= \
                 (SELECT coalesce(max(bucket), 0) FROM connection_counts WHERE resolution = $3)",
            ] {
                // The last one that was made may have been made before its last minute: it is made again.
                let found = Statement::new(table)
                    .bind(ratio)
                    .bind(fine.seconds())
                    .bind(coarse.seconds())
                    .fetch_within(&mut transaction)
                    .await?;
                for row in found {
                    stale.insert(row.get("coarse")?);
                }
            }
        }
        for resolution in [Resolution::Minute, Resolution::Hour, Resolution::Day] {
            for table in [
                "SELECT DISTINCT bucket FROM worker_metrics WHERE resolution = $1 AND bucket >= \
                 (SELECT coalesce(max(bucket), 0) FROM worker_overview WHERE resolution = $1)",
                "SELECT DISTINCT bucket FROM connection_counts WHERE resolution = $1 AND bucket >= \
                 (SELECT coalesce(max(bucket), 0) FROM worker_overview WHERE resolution = $1)",
            ] {
                let found = Statement::new(table).bind(resolution.seconds()).fetch_within(&mut transaction).await?;
                for row in found {
                    rollup.unsummed.insert((resolution, row.get("bucket")?));
                }
            }
        }
        transaction.commit().await?;
        Ok(rollup)
    }

    /// Adds what was counted to the minutes in the database, in one transaction.
    pub(crate) async fn add(
        &mut self,
        writer: &mut Writer,
        names: &Names,
        counted: &[(i64, Metrics)],
    ) -> Result<(), TelemetryError> {
        rows::give_numbers(writer, names, counted.iter().map(|(_, metrics)| metrics)).await?;
        let mut transaction = writer.begin_with(Lock::Metrics).await?;
        // A file has one writer, which knows what it wrote.
        let is_shared = transaction.engine() == Engine::Postgres;
        let mut sums = Vec::new();
        for (minute, metrics) in counted {
            if is_shared || !self.minutes.contains_key(minute) {
                // An earlier process may have begun it.
                let minutes = (*minute, *minute + 1);
                let stored = rows::read(&mut transaction, names, Resolution::Minute, minutes).await?;
                self.minutes.insert(*minute, stored);
            }
            let mut sum = Metrics::default();
            if let Some(stored) = self.minutes.get(minute) {
                // Only the keys that are added to are copied and written.
                sum.workers = metrics.workers.keys().filter_map(|key| pair(&stored.workers, key)).collect();
                sum.latencies = metrics.latencies.keys().filter_map(|key| pair(&stored.latencies, key)).collect();
                sum.attempts = metrics.attempts.keys().filter_map(|key| pair(&stored.attempts, key)).collect();
            }
            sum.merge(metrics)?;
            Numbered::of(names, &sum)?.write(&mut transaction, Resolution::Minute, *minute).await?;
            sums.push((*minute, sum));
        }
        transaction.commit().await?;
        // Only now does memory say the same as the database.
        for (minute, sum) in sums {
            let stored = self.minutes.entry(minute).or_default();
            stored.workers.extend(sum.workers);
            stored.latencies.extend(sum.latencies);
            stored.attempts.extend(sum.attempts);
            self.unsummed.insert((Resolution::Minute, minute));
            self.stale_hours.insert(minute.div_euclid(MINUTES_PER_HOUR));
        }
        Ok(())
    }

    /// Makes the hours and days that are over and not made yet, and sums up what is over: one after the other, until they or the
    /// patience are at an end.
    pub(crate) async fn roll(
        &mut self,
        writer: &mut Writer,
        names: &Names,
        current_minute: i64,
        patience: Duration,
    ) -> Result<(), TelemetryError> {
        let begun = Instant::now();
        let is_patient = || begun.elapsed() < patience;
        self.minutes.retain(|minute, _| *minute >= current_minute - 1);
        let current_hour = current_minute.div_euclid(MINUTES_PER_HOUR);
        let current_day = current_hour.div_euclid(HOURS_PER_DAY);
        if writer.engine() == Engine::Postgres {
            // Others may have counted in a time in which nothing happened here, and be gone.
            let seen = self.latest_minute.unwrap_or(current_minute);
            for minute in (seen..current_minute).rev().take(MOST_MINUTES) {
                self.unsummed.insert((Resolution::Minute, minute));
                self.stale_hours.insert(minute.div_euclid(MINUTES_PER_HOUR));
            }
        }
        self.latest_minute = Some(current_minute);
        while is_patient()
            && let Some(hour) = self.stale_hours.first().copied().filter(|hour| *hour < current_hour)
        {
            let minutes = (hour * MINUTES_PER_HOUR, (hour + 1) * MINUTES_PER_HOUR);
            make(writer, names, (Resolution::Minute, minutes), (Resolution::Hour, hour)).await?;
            self.stale_hours.remove(&hour);
            self.stale_days.insert(hour.div_euclid(HOURS_PER_DAY));
        }
        // A day is made of all of its hours.
        let first_stale = self.stale_hours.first().map_or(current_hour, |hour| current_hour.min(*hour));
        let days_made = current_day.min(first_stale.div_euclid(HOURS_PER_DAY));
        while is_patient()
            && let Some(day) = self.stale_days.first().copied().filter(|day| *day < days_made)
        {
            let hours = (day * HOURS_PER_DAY, (day + 1) * HOURS_PER_DAY);
            make(writer, names, (Resolution::Hour, hours), (Resolution::Day, day)).await?;
            self.stale_days.remove(&day);
        }
        let over = |(resolution, bucket): &(Resolution, i64)| {
            *bucket
                < match resolution {
                    Resolution::Minute => current_minute,
                    Resolution::Hour => current_hour,
                    Resolution::Day => current_day,
                }
        };
        while is_patient()
            && let Some((resolution, bucket)) = self.unsummed.iter().copied().find(over)
        {
            self.sum_up(writer, names, resolution, bucket).await?;
            self.unsummed.remove(&(resolution, bucket));
        }
        Ok(())
    }

    async fn sum_up(
        &self,
        writer: &mut Writer,
        names: &Names,
        resolution: Resolution,
        bucket: i64,
    ) -> Result<(), TelemetryError> {
        let mut transaction = writer.begin_with(Lock::Metrics).await?;
        let is_known = resolution == Resolution::Minute && transaction.engine() == Engine::Sqlite;
        let read;
        let metrics = match self.minutes.get(&bucket) {
            Some(metrics) if is_known => metrics,
            _ => {
                read = rows::read(&mut transaction, names, resolution, (bucket, bucket + 1)).await?;
                &read
            }
        };
        let numbered = Numbered::of(names, metrics)?;
        overview::write(&mut transaction, metrics, &numbered, resolution, bucket).await?;
        transaction.commit().await
    }

    /// Up to which minute, hour and day, since 1970, every one is made and summed up.
    pub(crate) fn made_until(&self, current_minute: i64) -> [i64; 3] {
        let hour = current_minute.div_euclid(MINUTES_PER_HOUR);
        let hours = self.stale_hours.first().map_or(hour, |stale| hour.min(*stale));
        let day = hours.div_euclid(HOURS_PER_DAY);
        let days = self.stale_days.first().map_or(day, |stale| day.min(*stale));
        [(Resolution::Minute, current_minute), (Resolution::Hour, hours), (Resolution::Day, days)].map(
            |(resolution, made)| {
                let first = self.unsummed.range((resolution, i64::MIN)..=(resolution, i64::MAX)).next();
                first.map_or(made, |(_, unsummed)| made.min(*unsummed))
            },
        )
    }
}

fn pair<K: Clone + Eq + std::hash::Hash, V: Clone>(map: &std::collections::HashMap<K, V>, key: &K) -> Option<(K, V)> {
    map.get_key_value(key).map(|(key, value)| (key.clone(), value.clone()))
}

/// Makes one coarse bucket of fine ones.
async fn make(
    writer: &mut Writer,
    names: &Names,
    (fine, buckets): (Resolution, (i64, i64)),
    (coarse, bucket): (Resolution, i64),
) -> Result<(), TelemetryError> {
    let mut transaction = writer.begin_with(Lock::Metrics).await?;
    let sum = rows::read(&mut transaction, names, fine, buckets).await?;
    let numbered = Numbered::of(names, &sum)?;
    numbered.write(&mut transaction, coarse, bucket).await?;
    overview::write(&mut transaction, &sum, &numbered, coarse, bucket).await?;
    transaction.commit().await
}

/// Removes buckets of a resolution that ended before this time, in seconds since 1970; at most some of the oldest, and says whether there
/// are more.
pub(crate) async fn forget(
    transaction: &mut Transaction<'_>,
    resolution: Resolution,
    before: i64,
) -> Result<bool, TelemetryError> {
    let oldest = "SELECT min(bucket) AS oldest FROM (SELECT min(bucket) AS bucket FROM worker_metrics WHERE resolution = $1 \
                  UNION ALL SELECT min(bucket) FROM connection_counts WHERE resolution = $1 \
                  UNION ALL SELECT min(bucket) FROM worker_overview WHERE resolution = $1) buckets";
    let found = Statement::new(oldest).bind(resolution.seconds()).fetch_within(transaction).await?;
    let oldest: Option<i64> = found.first().map(|row| row.get("oldest")).transpose()?.flatten();
    let horizon = before.div_euclid(resolution.seconds());
    let Some(oldest) = oldest.filter(|oldest| *oldest < horizon) else { return Ok(false) };
    let end = horizon.min(oldest.saturating_add(FORGOTTEN));
    for delete in [
        "DELETE FROM worker_metrics WHERE resolution = $1 AND bucket < $2",
        "DELETE FROM connection_latencies WHERE resolution = $1 AND bucket < $2",
        "DELETE FROM connection_counts WHERE resolution = $1 AND bucket < $2",
    ]
    .into_iter()
    .chain(overview::FORGET)
    {
        Statement::new(delete).bind(resolution.seconds()).bind(end).execute(transaction).await?;
    }
    Ok(end < horizon)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::database::{self, Readers, TelemetryLocation};
    use crate::metrics::counting::{AttemptKey, Attempts, WorkerMetrics};
    use crate::metrics::query::{MetricsQuery, MetricsReader, MetricsSubject};
    use crate::metrics::range::Made;
    use crate::record::Ending;
    use connection_error::{Category, ErrorCode};
    use invocation::Outcome;
    use uuid::Uuid;

    /// What is asked for: the subject, its parameters, and which number of the answer.
    type Question<'a> = (MetricsSubject, &'a [(&'static str, &'a str)], &'static str);

    /// Midnight, so that days are whole.
    const START: i64 = 20_000 * 24 * 60;

    struct File {
        writer: Writer,
        readers: Readers,
        names: Names,
        rollup: Rollup,
    }

    impl File {
        async fn open(path: &Path) -> Self {
            Self::at(&TelemetryLocation::File(path.to_owned())).await
        }

        async fn at(location: &TelemetryLocation) -> Self {
            let (mut writer, readers) = database::open(location).await.unwrap();
            let names = Names::load(&mut writer).await.unwrap();
            let rollup = Rollup::open(&mut writer).await.unwrap();
            Self { writer, readers, names, rollup }
        }

        async fn add(&mut self, minute: i64, count: u64) {
            let mut metrics = Metrics::default();
            for number in 0..count {
                let worker = metrics.workers.entry(("hello".to_owned(), Uuid::nil())).or_default();
                let mut one = WorkerMetrics::default();
                one.counts.requests = 1;
                one.counts.outcomes.insert(Outcome::Ok, 1);
                one.cpu.add((number + 1) as f64 * 1000.0);
                worker.merge(&one).unwrap();
            }
            let key = AttemptKey {
                service: Uuid::from_u128(1),
                tunnel: Uuid::from_u128(2),
                connector: None,
                worker: "hello".to_owned(),
                ending: Ending::Failed(ErrorCode::DnsError, Category::Client),
            };
            let canceled = AttemptKey { ending: Ending::Canceled, ..key.clone() };
            for key in [key, canceled] {
                metrics.attempts.insert(key, Attempts { attempts: count, reused: 0 });
            }
            metrics.latencies.entry((Uuid::from_u128(1), Uuid::from_u128(2))).or_default().dns.add(1500.0);
            self.rollup.add(&mut self.writer, &self.names, &[(minute, metrics)]).await.unwrap();
        }

        async fn roll(&mut self, now: i64) {
            self.rollup.roll(&mut self.writer, &self.names, now, Duration::MAX).await.unwrap();
        }

        async fn forget(&mut self, resolution: Resolution, before: i64) {
            let mut transaction = self.writer.begin().await.unwrap();
            while forget(&mut transaction, resolution, before).await.unwrap() {}
            transaction.commit().await.unwrap();
        }

        /// The points of one question, by a field.
        async fn points(&self, subject: MetricsSubject, asked: &[(&str, String)], now: i64, field: &str) -> Vec<u64> {
            let made = Made::default();
            made.set(self.rollup.made_until(now));
            let reader = MetricsReader { readers: &self.readers, names: &self.names, made: &made };
            let query =
                MetricsQuery::from_pairs(subject, asked.iter().map(|(name, value)| (*name, value.as_str()))).unwrap();
            let forever = Duration::from_secs(1 << 40);
            let found = reader.groups(&query, forever).await.unwrap();
            let groups = found["groups"].as_array().unwrap();
            assert!(groups.len() <= 1, "{found}");
            let Some(group) = groups.first() else { return Vec::new() };
            let points: Vec<u64> = group["points"]
                .as_array()
                .unwrap()
                .iter()
                .map(|point| point.pointer(field).unwrap().as_u64().unwrap())
                .collect();
            assert_eq!(group.pointer(field).unwrap().as_u64().unwrap(), points.iter().sum::<u64>());
            points
        }

        /// Requests by step, which every other way of counting agrees with.
        async fn requests(&self, step: Resolution, now: i64) -> Vec<u64> {
            let since = if step == Resolution::Minute { now - 1000 } else { START };
            let asked = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
                let mut pairs = vec![
                    ("since", (since * 60_000).to_string()),
                    ("until", ((now + 1) * 60_000).to_string()),
                    ("step", step.seconds().to_string()),
                ];
                pairs.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
                pairs
            };
            let (workers, connections) = (MetricsSubject::Workers, MetricsSubject::Connections);
            let requests = self.points(workers, &asked(&[]), now, "/count").await;
            let (service, tunnel) = (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string());
            let questions: &[Question<'_>] = &[
                // What is summed up, and what is read key by key.
                (workers, &[("quantiles", "true")], "/cpu/count"),
                (workers, &[("worker", "hello"), ("quantiles", "true")], "/cpu/count"),
                (workers, &[("by", "worker")], "/count"),
                (workers, &[("outcome", "ok")], "/count"),
                (workers, &[("outcome", "ok"), ("worker", "hello")], "/count"),
                (connections, &[], "/failed"),
                (connections, &[], "/canceled"),
                (connections, &[("by", "code"), ("code", "dns_error")], "/count"),
                (connections, &[("category", "client")], "/count"),
                (connections, &[("by", "service")], "/failed"),
                (connections, &[("by", "service")], "/canceled"),
                (connections, &[("tunnel", &tunnel)], "/failed"),
                (connections, &[("connector", "none")], "/canceled"),
                (connections, &[("by", "worker")], "/failed"),
                (connections, &[("by", "worker"), ("service", &service)], "/canceled"),
                (connections, &[("by", "category"), ("service", &service), ("code", "dns_error")], "/count"),
            ];
            for (subject, more, field) in questions {
                let subject = *subject;
                assert_eq!(self.points(subject, &asked(more), now, field).await, requests, "{subject:?} {more:?}");
            }
            // Nothing succeeded.
            for more in [&[("code", "none")][..], &[("category", "none"), ("service", &service)]] {
                assert_eq!(self.points(connections, &asked(more), now, "/count").await, [0; 0], "{more:?}");
            }
            let slow = self.points(connections, &asked(&[("quantiles", "true")]), now, "/dns/count").await;
            let quantiles = asked(&[("quantiles", "true"), ("service", &service)]);
            assert_eq!(self.points(connections, &quantiles, now, "/dns/count").await, slow);
            requests
        }
    }

    #[tokio::test]
    async fn hours_and_days_are_the_sums_of_their_minutes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut file = File::open(&path).await;
        // Two days and a half, a fact or two every 20 minutes.
        for place in 0..180 {
            let minute = START + place * 20;
            file.add(minute, 1).await;
            file.roll(minute).await;
            if place % 10 == 0 {
                // The same minute again, as the next flush has it.
                file.add(minute, 1).await;
            }
            if place == 77 {
                // A process that ends in the middle of an hour.
                file = File::open(&path).await;
            }
        }
        let now = START + 179 * 20;
        let days = file.requests(Resolution::Day, now).await;
        assert_eq!(days, [80, 79, 39]);
        let hours = file.requests(Resolution::Hour, now).await;
        assert_eq!((hours.len(), hours.iter().sum::<u64>()), (60, 198));
        assert_eq!(hours[..4], [4, 3, 3, 4]);
        assert_eq!(file.requests(Resolution::Minute, now).await.iter().sum::<u64>(), 51 + 5);

        // The same without any minute that is over a day old.
        file.forget(Resolution::Minute, (now - 24 * 60) * 60).await;
        assert_eq!(file.requests(Resolution::Day, now).await, days);
        assert_eq!(file.requests(Resolution::Hour, now).await, hours);

        // What comes late counts, too.
        file.add(now - 120, 5).await;
        file.roll(now).await;
        assert_eq!(file.requests(Resolution::Day, now).await, [80, 79, 44]);
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_unmade_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut file = File::open(&path).await;
        file.add(START + 30, 3).await;
        file.add(START + 90, 4).await;
        drop(file);
        let mut file = File::open(&path).await;
        let later = START + 3 * 24 * 60;
        file.roll(later).await;
        file.forget(Resolution::Minute, later * 60).await;
        assert_eq!(file.requests(Resolution::Hour, later).await, [3, 4]);
        file.forget(Resolution::Hour, later * 60).await;
        assert_eq!(file.requests(Resolution::Day, later).await, [7]);
        file.forget(Resolution::Day, later * 60).await;
        assert!(file.requests(Resolution::Day, later).await.is_empty());
    }

    #[tokio::test]
    async fn an_edge_makes_the_hours_in_which_others_counted() {
        let Some(url) = private_postgres::database().await else { return };
        let location = TelemetryLocation::Postgres(Box::new(url.parse().unwrap()));
        let mut here = File::at(&location).await;
        here.roll(START).await;
        let mut there = File::at(&location).await;
        here.add(START + 30, 3).await;
        there.add(START + 30, 4).await;
        there.add(START + 90, 5).await;
        // The other one is gone before its hour was over, and nothing happened here in that hour.
        drop(there);
        let later = START + 3 * 60;
        here.roll(later).await;
        here.forget(Resolution::Minute, later * 60).await;
        assert_eq!(here.requests(Resolution::Hour, later).await, [7, 5]);
    }
}
