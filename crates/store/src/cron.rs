//! Cron expressions of five fields, in UTC: minute, hour, day of the month, month, day of the week (1 or SUN to 7 or
//! SAT), with `*`, lists, ranges, steps, names, and `L`, `W`, `#` for days. Pure: parsing, and the next time after
//! another one. Where both days are restricted, a day that fits either counts.

use std::fmt;

use time::{Date, Duration, OffsetDateTime, Time, Weekday};

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The longest time between two matches: 29 February on a given weekday, across a century without a leap year.
const HORIZON_DAYS: u32 = 366 * 41;

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// There are not five fields.
    #[error("it must have five fields (minute hour day month weekday) and has {0}")]
    Fields(usize),
    /// A part of a field cannot be understood.
    #[error("\"{part}\" is not valid for the {field}")]
    Part {
        /// Which field.
        field: &'static str,
        /// The part.
        part: String,
    },
    /// No day ever fits, as with 31 February.
    #[error("no date ever fits it")]
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Day {
    /// The last day of the month, less so many days.
    Last(u8),
    /// The last weekday (Monday to Friday) of the month.
    LastWorkday,
    /// The weekday nearest to this day, in the same month.
    NearestWorkday(u8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum OfWeek {
    /// The last such weekday of the month.
    Last(u8),
    /// The so-and-so-manieth such weekday of the month.
    Nth(u8, u8),
}

/// A parsed cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    months: u64,
    /// `None`: any.
    days: Option<(u64, Vec<Day>)>,
    /// `None`: any.
    weekdays: Option<(u64, Vec<OfWeek>)>,
}

struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    names: &'static [&'static str],
}

impl Field {
    fn wrong(&self, part: &str) -> CronError {
        CronError::Part { field: self.name, part: part.to_owned() }
    }

    fn value(&self, text: &str) -> Option<u8> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return u8::try_from(at).ok().map(|at| at + self.low);
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|value| (self.low..=self.high).contains(value))
    }

    /// One part of a list, as a set of bits.
    fn part(&self, part: &str) -> Result<u64, CronError> {
        let wrong = || self.wrong(part);
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: u8 = step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (from, to) = if range == "*" {
            (self.low, self.high)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.value(from).ok_or_else(wrong)?, self.value(to).ok_or_else(wrong)?)
        } else {
            let value = self.value(range).ok_or_else(wrong)?;
            (value, if step.is_some() { self.high } else { value })
        };
        if from > to {
            return Err(wrong());
        }
        Ok((from..=to).step_by(usize::from(step.unwrap_or(1))).fold(0, |bits, value| bits | 1 << value))
    }

    fn set(&self, text: &str) -> Result<u64, CronError> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }
}

const MINUTE: Field = Field { name: "minute", low: 0, high: 59, names: &[] };
const HOUR: Field = Field { name: "hour", low: 0, high: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", low: 1, high: 31, names: &[] };
const MONTH: Field = Field { name: "month", low: 1, high: 12, names: &MONTHS };
const WEEKDAY: Field = Field { name: "day of the week", low: 1, high: 7, names: &WEEKDAYS };

fn parse_days(text: &str) -> Result<Option<(u64, Vec<Day>)>, CronError> {
    if text == "*" {
        return Ok(None);
    }
    let (mut bits, mut special) = (0, Vec::new());
    for part in text.split(',') {
        let upper = part.to_ascii_uppercase();
        if upper == "L" {
            special.push(Day::Last(0));
        } else if upper == "LW" || upper == "WL" {
            special.push(Day::LastWorkday);
        } else if let Some(less) = upper.strip_prefix("L-") {
            let less = less.parse().ok().filter(|less| (1..=30).contains(less));
            special.push(Day::Last(less.ok_or_else(|| DAY.wrong(part))?));
        } else if let Some(day) = upper.strip_suffix('W') {
            special.push(Day::NearestWorkday(DAY.value(day).ok_or_else(|| DAY.wrong(part))?));
        } else {
            bits |= DAY.part(part)?;
        }
    }
    Ok(Some((bits, special)))
}

fn parse_weekdays(text: &str) -> Result<Option<(u64, Vec<OfWeek>)>, CronError> {
    if text == "*" {
        return Ok(None);
    }
    let (mut bits, mut special) = (0, Vec::new());
    for part in text.split(',') {
        let upper = part.to_ascii_uppercase();
        let wrong = || WEEKDAY.wrong(part);
        if let Some((day, nth)) = upper.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
            special.push(OfWeek::Nth(WEEKDAY.value(day).ok_or_else(wrong)?, nth.ok_or_else(wrong)?));
        } else if upper == "L" {
            bits |= 1 << 7;
        } else if let Some(day) = upper.strip_suffix('L') {
            special.push(OfWeek::Last(WEEKDAY.value(day).ok_or_else(wrong)?));
        } else {
            bits |= WEEKDAY.part(part)?;
        }
    }
    Ok(Some((bits, special)))
}

fn has(bits: u64, value: u8) -> bool {
    bits & (1 << value) != 0
}

fn month_length(date: Date) -> u8 {
    date.month().length(date.year())
}

fn is_workday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The workday nearest to `day` in the month of `date`; days past its end count as its last one.
fn nearest_workday(date: Date, day: u8) -> Option<u8> {
    let length = month_length(date);
    let day = day.min(length);
    let target = date.replace_day(day).ok()?;
    Some(match target.weekday() {
        Weekday::Saturday if day > 1 => day - 1,
        Weekday::Saturday => day + 2,
        Weekday::Sunday if day < length => day + 1,
        Weekday::Sunday => day - 2,
        _ => day,
    })
}

impl Cron {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::Fields(fields.len()));
        };
        let cron = Cron {
            text: fields.join(" "),
            minutes: MINUTE.set(minute)?,
            hours: HOUR.set(hour)?,
            months: MONTH.set(month)?,
            days: parse_days(day)?,
            weekdays: parse_weekdays(weekday)?,
        };
        // From a fixed time, so that parsing never depends on the day it is done.
        cron.next_after(OffsetDateTime::UNIX_EPOCH).map(|_| cron).ok_or(CronError::Never)
    }

    fn fits_date(&self, date: Date) -> bool {
        if !has(self.months, u8::from(date.month())) {
            return false;
        }
        let day = date.day();
        let length = month_length(date);
        let by_day = |(bits, special): &(u64, Vec<Day>)| {
            has(*bits, day)
                || special.iter().any(|special| match special {
                    Day::Last(less) => length.checked_sub(*less) == Some(day),
                    Day::LastWorkday => is_workday(date) && nearest_workday(date, length) == Some(day),
                    Day::NearestWorkday(wanted) => *wanted <= length && nearest_workday(date, *wanted) == Some(day),
                })
        };
        let weekday = date.weekday().number_from_sunday();
        let by_weekday = |(bits, special): &(u64, Vec<OfWeek>)| {
            has(*bits, weekday)
                || special.iter().any(|special| match special {
                    OfWeek::Last(wanted) => weekday == *wanted && day + 7 > length,
                    OfWeek::Nth(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
                })
        };
        match (&self.days, &self.weekdays) {
            (None, None) => true,
            (Some(days), None) => by_day(days),
            (None, Some(weekdays)) => by_weekday(weekdays),
            (Some(days), Some(weekdays)) => by_day(days) || by_weekday(weekdays),
        }
    }

    fn fits_time_from(&self, from: Time) -> Option<Time> {
        (from.hour()..24).filter(|hour| has(self.hours, *hour)).find_map(|hour| {
            let first = if hour == from.hour() { from.minute() } else { 0 };
            (first..60)
                .find(|minute| has(self.minutes, *minute))
                .and_then(|minute| Time::from_hms(hour, minute, 0).ok())
        })
    }

    /// The first full minute after `after` that fits.
    pub fn next_after(&self, after: OffsetDateTime) -> Option<OffsetDateTime> {
        let after = after.to_offset(time::UtcOffset::UTC);
        let start =
            after.replace_time(Time::from_hms(after.hour(), after.minute(), 0).ok()?).checked_add(Duration::MINUTE)?;
        if self.fits_date(start.date())
            && let Some(time) = self.fits_time_from(start.time())
        {
            return Some(start.replace_time(time));
        }
        let mut date = start.date();
        let first = self.fits_time_from(Time::MIDNIGHT)?;
        for _ in 0..HORIZON_DAYS {
            date = date.next_day()?;
            if self.fits_date(date) {
                return Some(date.with_time(first).assume_utc());
            }
        }
        None
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
