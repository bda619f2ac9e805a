//! Answers: invocations are read newest first, a few at a time, until there is enough, or nothing more, or too much was looked at.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::asked::{Asked, EventsAsked, KeysAsked, LogQuestion, Selection, ValuesAsked, View};
use super::condition::{Kind, each_member};
use super::event::{DATASET, LogEvent, Position, events};
use crate::database::{Names, Readers};
use crate::error::TelemetryError;
use crate::filter::key_range;
use crate::invocations::{self, Kept, timestamp};
use crate::lost;

/// How many invocations are read at a time. Their events are looked at without waiting in between.
const BATCH: usize = 100;
/// How many invocations are looked at for one answer.
const MAX_READ: usize = 20_000;
/// About the most bytes of one answer. Each event has the facts of its invocation once more.
const MAX_ANSWER: usize = 8 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct LogAnswer {
    /// A list of events, the events by their invocations' ids, a list of keys, or a list of values.
    pub result: Value,
    /// How many events, invocations, keys or values that are.
    pub count: usize,
    /// The `offset` of the next page, where there may be one.
    pub next: Option<String>,
    /// Where too much would have had to be looked at: the time that was come to. What happened before may have more.
    pub looked_back_to: Option<OffsetDateTime>,
    /// How many invocations were looked at.
    pub invocations_read: usize,
    /// How many bytes of JSON that was.
    pub bytes_read: usize,
    /// How many invocations of that time are not kept, because there were too many.
    pub lost: u64,
}

/// Answers a question about logs that are said to be `account`'s.
pub(crate) async fn answer(
    readers: &Readers,
    names: &Arc<Names>,
    question: &LogQuestion,
    account: &str,
) -> Result<LogAnswer, TelemetryError> {
    let selection = question.selection();
    let mut scan = Scan::new(readers, names, selection, account);
    let found = match &question.0 {
        Asked::Events(asked) => match asked.view {
            View::Events => scan.events(asked).await?,
            View::Invocations => scan.invocations(asked).await?,
        },
        Asked::Keys(asked) => scan.keys(asked).await?,
        Asked::Values(asked) => scan.values(asked).await?,
    };
    let filter = &selection.filter;
    let lost = lost::sum(readers, lost::Kind::Invocations, filter.since, filter.until).await?;
    // Where a page is full, the next one goes on from there; otherwise everything was seen, unless it was too much.
    let reached = scan.oldest.filter(|_| found.next.is_none() && scan.is_cut);
    Ok(LogAnswer {
        result: found.result,
        count: found.count,
        next: found.next.or(reached.map(|key| Position { key, index: 0 })).map(|position| position.to_string()),
        looked_back_to: reached.and_then(time_of),
        invocations_read: scan.read,
        bytes_read: scan.bytes,
        lost,
    })
}

/// When an invocation began, by its key.
fn time_of(key: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(timestamp(key)) * 1_000_000).ok()
}

/// What the events gave.
struct Found {
    result: Value,
    count: usize,
    /// The last of a page that is full, where more are known to follow.
    next: Option<Position>,
}

struct Scan<'a> {
    readers: &'a Readers,
    names: &'a Arc<Names>,
    selection: &'a Selection,
    account: &'a str,
    /// Keys that are still to be read: from the first up to but without the second.
    range: (i64, i64),
    /// How many invocations were looked at so far, and how many bytes of JSON.
    read: usize,
    bytes: usize,
    /// The key of the last of them.
    oldest: Option<i64>,
    is_over: bool,
    /// That it ended before everything was looked at.
    is_cut: bool,
}

impl<'a> Scan<'a> {
    fn new(readers: &'a Readers, names: &'a Arc<Names>, selection: &'a Selection, account: &'a str) -> Self {
        let range = key_range(selection.filter.since, selection.filter.until, None);
        let is_over = !selection.possible;
        Self { readers, names, selection, account, range, read: 0, bytes: 0, oldest: None, is_over, is_cut: false }
    }

    /// The next invocations; none when it is over.
    async fn next(&mut self) -> Result<Vec<Kept>, TelemetryError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        if self.read >= MAX_READ {
            self.is_over = true;
            self.is_cut = true;
            return Ok(Vec::new());
        }
        let filter = &self.selection.filter;
        let batch = invocations::candidates(self.readers, self.names, filter, self.range, BATCH).await?;
        self.is_over = batch.len() < BATCH;
        self.read += batch.len();
        self.bytes += batch.iter().map(|kept| kept.bytes).sum::<usize>();
        if let Some(oldest) = batch.last() {
            self.oldest = Some(oldest.key);
            self.range.1 = oldest.key;
        }
        Ok(batch)
    }

    /// An event as it is shown, if it is meant.
    fn chosen(&self, event: LogEvent<'_>) -> Option<Value> {
        let selection = self.selection;
        if selection.needle.as_ref().is_some_and(|needle| !event.mentions(needle)) {
            return None;
        }
        let json = event.to_json(self.account);
        selection.condition.is_met(&json).then_some(json)
    }

    /// Events, newest first.
    async fn events(&mut self, asked: &EventsAsked) -> Result<Found, TelemetryError> {
        if let Some(after) = asked.after {
            // What its invocation said before it comes after it; the event of the invocation itself is the last.
            let end = if after.index == 0 { after.key } else { after.key.saturating_add(1) };
            self.range.1 = self.range.1.min(end);
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        loop {
            let batch = self.next().await?;
            for event in batch.iter().flat_map(events) {
                let position = event.position();
                if asked.after.is_some_and(|after| position >= after) {
                    continue;
                }
                let Some(json) = self.chosen(event) else { continue };
                if found.len() == asked.limit || bytes > MAX_ANSWER {
                    let count = found.len();
                    return Ok(Found { result: found.into(), count, next: last });
                }
                bytes += json.to_string().len();
                last = Some(position);
                found.push(json);
            }
            if self.is_over {
                let count = found.len();
                return Ok(Found { result: found.into(), count, next: None });
            }
        }
    }

    /// Invocations of which an event is meant, with all of their events.
    async fn invocations(&mut self, asked: &EventsAsked) -> Result<Found, TelemetryError> {
        self.range.1 = self.range.1.min(asked.after.map_or(i64::MAX, |after| after.key));
        let mut found = Map::new();
        let mut bytes = 0;
        let mut last = None;
        loop {
            let batch = self.next().await?;
            for kept in &batch {
                let all = events(kept);
                if !all.iter().any(|event| self.chosen(*event).is_some()) {
                    continue;
                }
                if found.len() == asked.limit || bytes > MAX_ANSWER {
                    let count = found.len();
                    return Ok(Found { result: found.into(), count, next: last });
                }
                let shown = Value::Array(all.iter().map(|event| event.to_json(self.account)).collect());
                bytes += shown.to_string().len();
                last = Some(Position { key: kept.key, index: 0 });
                found.insert(kept.view.id.to_string(), shown);
            }
            if self.is_over {
                let count = found.len();
                return Ok(Found { result: found.into(), count, next: None });
            }
        }
    }

    /// The members that events have, by name.
    async fn keys(&mut self, asked: &KeysAsked) -> Result<Found, TelemetryError> {
        let mut found = BTreeMap::new();
        while !self.is_over {
            let batch = self.next().await?;
            for event in batch.iter().flat_map(events) {
                let Some(json) = self.chosen(event) else { continue };
                each_member(&json, &mut |name, value| {
                    let Some(kind) = Kind::of(value) else { return };
                    if asked.needle.as_ref().is_some_and(|needle| !needle.is_in(name)) {
                        return;
                    }
                    let is_full = found.len() == asked.limit;
                    match found.entry((name.to_owned(), kind)) {
                        Entry::Vacant(place) if !is_full => {
                            place.insert(event.timestamp());
                        }
                        Entry::Vacant(_) => {}
                        Entry::Occupied(mut place) => *place.get_mut() = event.timestamp().max(*place.get()),
                    }
                });
            }
        }
        let keys =
            found.iter().map(|((key, kind), seen)| json!({ "key": key, "type": kind.as_str(), "lastSeenAt": seen }));
        Ok(Found { result: keys.collect(), count: found.len(), next: None })
    }

    /// The values that a member has, those seen last first.
    async fn values(&mut self, asked: &ValuesAsked) -> Result<Found, TelemetryError> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut bytes = 0;
        while !self.is_over && found.len() < asked.limit && bytes <= MAX_ANSWER {
            let batch = self.next().await?;
            for event in batch.iter().flat_map(events) {
                let Some(json) = self.chosen(event) else { continue };
                let value = asked.key.of(&json).filter(|value| Kind::of(value) == Some(asked.kind));
                let Some(value) = value else { continue };
                let text = value.to_string();
                if found.len() < asked.limit && !seen.contains(&text) {
                    bytes += text.len();
                    found.push(json!({
                        "dataset": DATASET, "key": asked.key.as_str(), "type": asked.kind.as_str(), "value": value,
                    }));
                    seen.insert(text);
                }
            }
        }
        let count = found.len();
        Ok(Found { result: found.into(), count, next: None })
    }
}
