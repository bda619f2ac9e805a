//! Answers remembered for as long as they hold. Pure; time is passed in.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use lru::LruCache;
use tokio::time::Instant;

use super::resolver::Zone;

/// No answer is kept for longer, whatever its TTL says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// No negative answer is kept for longer (RFC 2308 section 5 advises one to three hours; in a private network where names
/// come with deployments that is too long).
const LONGEST_NEGATIVE: Duration = Duration::from_secs(300);

/// An answer worth remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The name exists and has no address of this type.
    NoData,
    /// The name does not exist.
    NxDomain,
}

/// A question to the resolvers of one zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub zone: Zone,
    pub name: Name,
    pub kind: RecordType,
}

/// The least recently used answers go first.
pub(crate) struct Cache {
    answers: LruCache<Question, (Answer, Instant)>,
}

impl Cache {
    pub(crate) fn new(entries: NonZeroUsize) -> Self {
        Self { answers: LruCache::new(entries) }
    }

    /// The answer, if it still holds.
    pub(crate) fn find(&mut self, question: &Question, now: Instant) -> Option<Answer> {
        let (answer, until) = self.answers.get(question)?;
        if now < *until {
            return Some(answer.clone());
        }
        self.answers.pop(question);
        None
    }

    /// Remembers an answer for `ttl`.
    pub(crate) fn keep(&mut self, question: Question, answer: Answer, ttl: Duration, now: Instant) {
        let longest = match answer {
            Answer::Addresses(_) => LONGEST,
            Answer::NoData | Answer::NxDomain => LONGEST_NEGATIVE,
        };
        if !ttl.is_zero() {
            self.answers.put(question, (answer, now + ttl.min(longest)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use uuid::Uuid;

    use super::*;

    fn question(tunnel: u128, name: &str) -> Question {
        Question {
            zone: Zone { tunnel: Uuid::from_u128(tunnel), resolvers: Vec::new() },
            name: Name::from_ascii(name).unwrap(),
            kind: RecordType::A,
        }
    }

    #[test]
    fn answers_hold_for_their_ttl_and_their_zone() {
        let now = Instant::now();
        let mut cache = Cache::new(NonZeroUsize::new(2).unwrap());
        let answer = Answer::Addresses(vec!["10.0.0.1".parse().unwrap()]);
        cache.keep(question(1, "a."), answer.clone(), Duration::from_secs(10), now);
        assert_eq!(cache.find(&question(1, "a."), now + Duration::from_secs(9)), Some(answer));
        assert_eq!(cache.find(&question(2, "a."), now), None);
        assert_eq!(cache.find(&question(1, "a."), now + Duration::from_secs(10)), None);
        cache.keep(question(1, "a."), Answer::NoData, Duration::ZERO, now);
        assert_eq!(cache.find(&question(1, "a."), now), None);
    }

    #[test]
    fn negative_answers_are_bounded_and_so_is_the_cache() {
        let now = Instant::now();
        let mut cache = Cache::new(NonZeroUsize::new(2).unwrap());
        cache.keep(question(1, "a."), Answer::NxDomain, Duration::from_secs(86400), now);
        assert_eq!(cache.find(&question(1, "a."), now + LONGEST_NEGATIVE), None);
        for name in ["a.", "b.", "c."] {
            cache.keep(question(1, name), Answer::NoData, Duration::from_secs(9), now);
        }
        assert_eq!(cache.find(&question(1, "a."), now), None);
        assert_eq!(cache.find(&question(1, "c."), now), Some(Answer::NoData));
    }
}
