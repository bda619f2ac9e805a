//! Numbers that stand in the database for values of closed sets. A number, once given, keeps its meaning for ever.

use connection_error::{Category, Phase};
use invocation::Outcome;

use crate::error::TelemetryError;

pub(crate) const fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        // The partial indices of the schema rely on this one.
        Outcome::Ok => 0,
        Outcome::Canceled => 1,
        Outcome::Exception => 2,
        Outcome::ExceededCpu => 3,
        Outcome::ExceededMemory => 4,
        Outcome::InternalError => 5,
        Outcome::LoadShed => 6,
        Outcome::ResponseStreamDisconnected => 7,
        Outcome::ScriptNotFound => 8,
        Outcome::ExceededWallTime => 9,
    }
}

pub(crate) const fn category_number(category: Category) -> i64 {
    match category {
        Category::BadUpstream => 1,
        Category::Client => 2,
        Category::Internal => 3,
    }
}

pub(crate) const fn phase_number(phase: Phase) -> i64 {
    match phase {
        Phase::Route => 1,
        Phase::Dns => 2,
        Phase::Connect => 3,
        Phase::Tls => 4,
        Phase::Request => 5,
        Phase::Head => 6,
        Phase::Body => 7,
    }
}

/// The value with this number.
fn find<T: Copy>(all: &[T], number: i64, number_of: impl Fn(T) -> i64, what: &str) -> Result<T, TelemetryError> {
    all.iter()
        .copied()
        .find(|value| number_of(*value) == number)
        .ok_or_else(|| TelemetryError::Corrupt(format!("there is no {what} {number}")))
}

pub(crate) fn outcome(number: i64) -> Result<Outcome, TelemetryError> {
    find(Outcome::ALL, number, outcome_number, "outcome")
}

pub(crate) fn category(number: i64) -> Result<Category, TelemetryError> {
    find(Category::ALL, number, category_number, "category")
}

pub(crate) fn phase(number: i64) -> Result<Phase, TelemetryError> {
    find(Phase::ALL, number, phase_number, "phase")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        for &value in Outcome::ALL {
            assert_eq!(outcome(outcome_number(value)).unwrap(), value);
        }
        for &value in Category::ALL {
            assert_eq!(category(category_number(value)).unwrap(), value);
        }
        for &value in Phase::ALL {
            assert_eq!(phase(phase_number(value)).unwrap(), value);
        }
        assert!(outcome(99).is_err());
    }
}
