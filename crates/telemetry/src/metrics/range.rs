//! Which buckets make up a stretch of time. Pure.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::metrics::rows::Resolution;

/// A stretch of time, in whole minutes, hours or days, and divided into points where `step` says how wide they are. In
/// seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub from: i64,
    /// Not included.
    pub to: i64,
    pub step: Option<i64>,
}

impl Range {
    /// Wide enough for a point to be the whole range, where no points are asked for.
    pub(crate) fn width(&self) -> i64 {
        self.step.unwrap_or(Resolution::Day.seconds() << 24)
    }
}

/// Up to which bucket of each resolution everything is made. Minutes are there at once; what is made of them are their sums.
#[derive(Debug, Default)]
pub(crate) struct Made {
    minutes: AtomicI64,
    hours: AtomicI64,
    days: AtomicI64,
}

impl Made {
    pub(crate) fn set(&self, [minutes, hours, days]: [i64; 3]) {
        self.minutes.store(minutes, Ordering::Release);
        self.hours.store(hours, Ordering::Release);
        self.days.store(days, Ordering::Release);
    }

    pub(crate) fn until(&self, resolution: Resolution) -> i64 {
        match resolution {
            Resolution::Minute => &self.minutes,
            Resolution::Hour => &self.hours,
            Resolution::Day => &self.days,
        }
        .load(Ordering::Acquire)
    }
}

/// Buckets that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub resolution: Resolution,
    pub from: i64,
    /// Not included.
    pub to: i64,
    /// Whether there are sums of these ([`super::overview`]).
    pub is_summed: bool,
}

/// The buckets that make up a range: days and hours where they are made and no point ends within them, minutes for the rest.
/// No second is in two of them.
pub(crate) fn segments(range: Range, made: impl Fn(Resolution) -> i64) -> Vec<Segment> {
    let [minutes_made, hours_made, days_made] = [Resolution::Minute, Resolution::Hour, Resolution::Day].map(&made);
    let mut segments: Vec<Segment> = Vec::new();
    let mut at = range.from;
    while at < range.to {
        let coarse = [(Resolution::Day, days_made), (Resolution::Hour, hours_made)].into_iter().find(|(one, made)| {
            let width = one.seconds();
            range.width() % width == 0 && at % width == 0 && at + width <= range.to && at / width < *made
        });
        let (resolution, is_summed) = match coarse {
            Some((resolution, _)) => (resolution, true),
            None => (Resolution::Minute, at / Resolution::Minute.seconds() < minutes_made),
        };
        let bucket = at / resolution.seconds();
        match segments.last_mut().filter(|last| last.resolution == resolution && last.is_summed == is_summed) {
            Some(last) => last.to = bucket + 1,
            None => segments.push(Segment { resolution, from: bucket, to: bucket + 1, is_summed }),
        }
        at = (bucket + 1) * resolution.seconds();
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    fn of(range: Range, made: [i64; 3]) -> Vec<Segment> {
        let all = Made::default();
        all.set(made);
        segments(range, |resolution| all.until(resolution))
    }

    #[test]
    fn segments_cover_each_second_once() {
        for step in [None, Some(60), Some(300), Some(HOUR), Some(6 * HOUR), Some(DAY)] {
            let width = step.unwrap_or(60);
            for (first, last) in [(0, DAY), (DAY, 3 * DAY), (DAY - 2 * HOUR - 60, 2 * DAY + HOUR + 120)] {
                let range = Range { from: first / width * width, to: (last + width - 1) / width * width, step };
                for made in [[0, 0, 0], [1800, 30, 1], [2881, 48, 2], [1 << 30, 1000, 1000], [3000, 50, 1]] {
                    let mut end = range.from;
                    for Segment { resolution, from, to, is_summed } in of(range, made) {
                        assert_eq!(from * resolution.seconds(), end);
                        assert!(from < to);
                        assert!(step.is_none_or(|step| resolution.seconds() <= step), "a point ends within a bucket");
                        let made = made[resolution as usize];
                        assert!(if is_summed { to <= made } else { from >= made }, "{resolution:?}");
                        end = to * resolution.seconds();
                    }
                    assert_eq!(end, range.to, "{range:?} {made:?}");
                }
            }
        }
    }

    #[test]
    fn sums_without_points_take_the_widest_buckets() {
        let range = Range { from: DAY - HOUR - 120, to: 2 * DAY + HOUR + 60, step: None };
        let segment = |resolution, from, to| Segment { resolution, from, to, is_summed: true };
        let expected = [
            segment(Resolution::Minute, 23 * 60 - 2, 23 * 60),
            segment(Resolution::Hour, 23, 24),
            segment(Resolution::Day, 1, 2),
            segment(Resolution::Hour, 48, 49),
            segment(Resolution::Minute, 49 * 60, 49 * 60 + 1),
        ];
        assert_eq!(of(range, [5000, 49, 2]), expected);
    }
}
