//! Sums while they are added up, and how they are shown.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::{Dimension, MetricsQuery, MetricsSubject};
use crate::error::TelemetryError;
use crate::metrics::range::Range;
use crate::metrics::sketch::Sketch;

/// What a group is told apart by: the values of its key.
pub(super) type Key = Vec<Option<String>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    pub count: u64,
    pub failed: u64,
    /// Attempts that were given up by those who asked.
    pub canceled: u64,
    pub subrequests: u64,
    /// The start of the newest bucket in which there was something, in seconds since 1970.
    pub last: i64,
    pub sketches: [Sketch; 4],
}

impl Sum {
    pub(super) fn add(&mut self, other: &Sum) -> Result<(), TelemetryError> {
        self.count += other.count;
        self.failed += other.failed;
        self.canceled += other.canceled;
        self.subrequests += other.subrequests;
        self.last = self.last.max(other.last);
        for (mine, other) in self.sketches.iter_mut().zip(&other.sketches) {
            if other.count() > 0 {
                mine.merge(other)?;
            }
        }
        Ok(())
    }

    fn view(&self, query: &MetricsQuery) -> Map<String, Value> {
        let mut view = Map::new();
        view.insert("count".to_owned(), self.count.into());
        view.insert("failed".to_owned(), self.failed.into());
        if query.subject == MetricsSubject::Connections {
            view.insert("canceled".to_owned(), self.canceled.into());
        }
        if query.subject == MetricsSubject::Workers && query.uses_only(&[Dimension::Worker, Dimension::Version]) {
            view.insert("subrequests".to_owned(), self.subrequests.into());
        }
        view.insert("last".to_owned(), (self.last * 1000).into());
        for ((name, scale), sketch) in query.subject.distributions().iter().zip(&self.sketches) {
            if sketch.count() == 0 {
                continue;
            }
            let quantile = |share| sketch.quantile(share).map(|value| value * scale);
            let distribution =
                json!({"count": sketch.count(), "p50": quantile(0.5), "p90": quantile(0.9), "p99": quantile(0.99)});
            view.insert((*name).to_owned(), distribution);
        }
        view
    }
}

/// Sums while they are added up.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<Key, BTreeMap<i64, Sum>>);

impl Groups {
    /// Adds to the point that begins then.
    pub(super) fn add(&mut self, key: Key, point: i64, sum: &Sum) -> Result<(), TelemetryError> {
        self.0.entry(key).or_default().entry(point).or_default().add(sum)
    }

    /// `{since, until, step, groups: [{key, count, failed, last, points?, …}]}`; times in milliseconds since 1970.
    pub(super) fn view(self, query: &MetricsQuery, range: Range) -> Result<Value, TelemetryError> {
        let mut groups = Vec::new();
        for (key, points) in self.0 {
            let mut total = Sum::default();
            for sum in points.values() {
                total.add(sum)?;
            }
            groups.push((key, total, points));
        }
        groups.sort_by(|(a_key, a, _), (b_key, b, _)| b.count.cmp(&a.count).then_with(|| a_key.cmp(b_key)));
        groups.truncate(query.limit);
        let views: Vec<Value> = groups
            .into_iter()
            .map(|(key, total, points)| {
                let mut names = query.by.map(Dimension::name).into_iter().collect::<Vec<_>>();
                if query.by == Some(Dimension::Code) {
                    names.push(Dimension::Category.name());
                }
                let key: Map<String, Value> =
                    names.into_iter().map(str::to_owned).zip(key.into_iter().map(Value::from)).collect();
                let mut view = total.view(query);
                view.insert("key".to_owned(), key.into());
                if query.step.is_some() {
                    let points = points.iter().map(|(at, sum)| {
                        let mut view = sum.view(query);
                        view.insert("at".to_owned(), (at * 1000).into());
                        Value::Object(view)
                    });
                    view.insert("points".to_owned(), points.collect());
                }
                Value::Object(view)
            })
            .collect();
        Ok(json!({
            "since": range.from * 1000,
            "until": range.to * 1000,
            "step": range.step,
            "groups": views,
        }))
    }
}
