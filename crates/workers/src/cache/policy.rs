//! How long a response may be kept (RFC 9111), as Cloudflare reads it for its Cache API.

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, EXPIRES, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// What the headers of a response say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Storable {
    /// It is not kept; `put` succeeds all the same.
    No,
    /// It is kept for so long, without these headers.
    For {
        /// How long.
        lifetime: Duration,
        /// Headers that only one visitor may see.
        without: Vec<String>,
    },
}

/// How long a response may be kept from `now` on.
pub(crate) fn storable(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Storable {
    let mut lifetime = None;
    let mut shared = None;
    let mut without = Vec::new();
    for directive in directives(headers) {
        let (name, value) =
            directive.split_once('=').map_or((directive.as_str(), None), |(name, value)| (name, Some(value)));
        let seconds = || value.and_then(|value| value.trim_matches('"').parse::<u64>().ok()).map(Duration::from_secs);
        match (name.trim().to_ascii_lowercase().as_str(), value) {
            ("no-store", _) | ("no-cache" | "private", None) => return Storable::No,
            ("no-cache" | "private", Some(names)) => {
                without.extend(names.trim_matches('"').split(',').map(|name| name.trim().to_ascii_lowercase()));
            }
            ("max-age", _) => lifetime = Some(seconds().unwrap_or_default()),
            ("s-maxage", _) => shared = Some(seconds().unwrap_or_default()),
            _ => {}
        }
    }
    if headers.contains_key(SET_COOKIE) && !without.iter().any(|name| name == SET_COOKIE.as_str()) {
        return Storable::No;
    }
    let age = text(headers, AGE.as_str()).and_then(|age| age.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let lifetime = shared.or(lifetime).map(|lifetime| lifetime.saturating_sub(age));
    let lifetime = lifetime.or_else(|| expires(headers, now)).unwrap_or_else(|| usual(status));
    if lifetime.is_zero() { Storable::No } else { Storable::For { lifetime, without } }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Those of all Cache-Control fields. A comma within quotes separates nothing.
fn directives(headers: &HeaderMap) -> Vec<String> {
    let mut directives = Vec::new();
    for value in headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        let mut quoted = false;
        let parts = value.split(|letter| {
            quoted ^= letter == '"';
            letter == ',' && !quoted
        });
        directives.extend(parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()));
    }
    directives
}

/// What Expires leaves. A date that cannot be read is in the past.
fn expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = date(text(headers, EXPIRES.as_str())?);
    Some(date.and_then(|date| date.duration_since(now).ok()).unwrap_or_default())
}

/// A date of HTTP.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    // Rfc2822 wants an offset where HTTP says GMT.
    OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok().map(SystemTime::from)
}

/// How long what says nothing is kept, by its status.
fn usual(status: StatusCode) -> Duration {
    let minutes = match status.as_u16() {
        200 | 301 => 120,
        302 | 303 => 20,
        404 | 410 => 3,
        403 => 1,
        _ => 0,
    };
    Duration::from_secs(minutes * 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderName;

    use super::*;

    fn seconds(status: u16, headers: &[(&str, &str)]) -> Option<u64> {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
        match storable(StatusCode::from_u16(status).unwrap(), &headers, SystemTime::UNIX_EPOCH) {
            Storable::No => None,
            Storable::For { lifetime, .. } => Some(lifetime.as_secs()),
        }
    }

    #[test]
    fn lifetimes() {
        for (status, headers, expected) in [
            (200, &[][..], Some(7200)),
            (404, &[], Some(180)),
            (500, &[], None),
            (500, &[("cache-control", "max-age=5")], Some(5)),
            (200, &[("cache-control", "max-age=5, s-maxage=9")], Some(9)),
            (200, &[("cache-control", "MAX-AGE=0")], None),
            (200, &[("cache-control", "max-age=nonsense")], None),
            (200, &[("cache-control", "max-age=10"), ("age", "4")], Some(6)),
            (200, &[("cache-control", "no-store")], None),
            (200, &[("cache-control", "private")], None),
            (200, &[("expires", "Thu, 01 Jan 1970 00:01:00 GMT")], Some(60)),
            (200, &[("expires", "0")], None),
            (200, &[("set-cookie", "a=b")], None),
            (200, &[("set-cookie", "a=b"), ("cache-control", "private=Set-Cookie, max-age=7")], Some(7)),
            (200, &[("set-cookie", "a=b"), ("cache-control", "private=\"x, set-cookie\", max-age=7")], Some(7)),
        ] {
            assert_eq!(seconds(status, headers), expected, "{status} {headers:?}");
        }
    }
}
