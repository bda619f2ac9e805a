#![allow(clippy::unwrap_used)]
use time::Month;

use super::*;

fn at(year: i32, month: u8, day: u8, hour: u8, minute: u8) -> OffsetDateTime {
    Date::from_calendar_date(year, Month::try_from(month).unwrap(), day)
        .unwrap()
        .with_time(Time::from_hms(hour, minute, 0).unwrap())
        .assume_utc()
}

fn next(text: &str, after: OffsetDateTime) -> OffsetDateTime {
    Cron::parse(text).unwrap().next_after(after).unwrap()
}

#[test]
fn the_next_time_is_found() {
    // 21 November 2026 is a Saturday.
    let now = at(2026, 11, 21, 9, 7);
    for (text, expected) in [
        ("* * * * *", at(2026, 11, 21, 9, 8)),
        ("*/5 * * * *", at(2026, 11, 21, 9, 10)),
        ("7 9 * * *", at(2026, 11, 22, 9, 7)),
        ("0 0 1 * *", at(2026, 12, 1, 0, 0)),
        ("30 10,14-16 * * *", at(2026, 11, 21, 10, 30)),
        ("0 17 * * sun", at(2026, 11, 22, 17, 0)),
        ("0 17 * * 1", at(2026, 11, 22, 17, 0)),
        ("0 0 * * MON-FRI", at(2026, 11, 23, 0, 0)),
        ("0 0 29 2 *", at(2028, 2, 29, 0, 0)),
        ("59 23 LW * *", at(2026, 11, 30, 23, 59)),
        ("0 0 L * *", at(2026, 11, 30, 0, 0)),
        ("0 0 L-2 * *", at(2026, 11, 28, 0, 0)),
        ("0 0 * * 6L", at(2026, 11, 27, 0, 0)),
        ("0 0 * * MON#1", at(2026, 12, 7, 0, 0)),
        ("0 0 21W * *", at(2026, 12, 21, 0, 0)),
        ("0 0 22W 11 *", at(2026, 11, 23, 0, 0)),
        ("0 0 25 * MON", at(2026, 11, 23, 0, 0)),
        ("5/20 * * * *", at(2026, 11, 21, 9, 25)),
    ] {
        assert_eq!(next(text, now), expected, "{text}");
    }
}

#[test]
fn seconds_do_not_hide_a_minute() {
    let now = at(2026, 11, 21, 9, 7) + Duration::seconds(59);
    assert_eq!(next("* * * * *", now), at(2026, 11, 21, 9, 8));
    assert_eq!(next("8 9 21 11 *", at(2026, 11, 21, 9, 8)), at(2027, 11, 21, 9, 8));
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    assert_eq!(Cron::parse("* * * *"), Err(CronError::Fields(4)));
    assert_eq!(Cron::parse("0 0 31 2 *"), Err(CronError::Never));
    for text in [
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "* * * * 0",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "1, * * * *",
        "+1 * * * *",
        "* * 40W * *",
        "* * * * MON#6",
        "* * L-0 * *",
        "1/x * * * *",
        "1-2-3 * * * *",
    ] {
        assert!(matches!(Cron::parse(text), Err(CronError::Part { .. })), "{text}");
    }
}
