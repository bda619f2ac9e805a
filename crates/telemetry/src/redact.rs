//! What must not be stored: credentials in headers, and identifiers in URLs, by the rules of Workers' tail events.

use std::borrow::Cow;

const REDACTED: &str = "REDACTED";

/// Whether a header's value is a secret, by its name.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "jwt", "key", "secret", "token"].iter().any(|part| name.contains(part))
}

/// The value as it may be stored.
pub(crate) fn header_value<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret_header(name) { REDACTED } else { value }
}

/// The URL with everything that looks like an identifier replaced: 32 or more hexadecimal digits (hyphens between them
/// allowed), or 21 or more characters of the base64url alphabet with at least two capitals, two small letters and two digits.
pub(crate) fn url(url: &str) -> Cow<'_, str> {
    let mut redacted = String::new();
    let mut kept = 0;
    let mut at = 0;
    while at < url.len() {
        let rest = url.get(at..).unwrap_or_default();
        let word = rest.len() - rest.trim_start_matches(is_word).len();
        if word == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        if is_identifier(rest.get(..word).unwrap_or_default()) {
            redacted.push_str(url.get(kept..at).unwrap_or_default());
            redacted.push_str(REDACTED);
            kept = at + word;
        }
        at += word;
    }
    if kept == 0 {
        return Cow::Borrowed(url);
    }
    redacted.push_str(url.get(kept..).unwrap_or_default());
    Cow::Owned(redacted)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

fn is_identifier(word: &str) -> bool {
    if word.len() < 21 {
        return false;
    }
    let count = |is: fn(&u8) -> bool| word.as_bytes().iter().filter(|byte| is(byte)).count();
    let hex = count(u8::is_ascii_hexdigit);
    let is_hex = hex >= 32 && hex + count(|byte| *byte == b'-') == word.len();
    is_hex || count(u8::is_ascii_uppercase) >= 2 && count(u8::is_ascii_lowercase) >= 2 && count(u8::is_ascii_digit) >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_by_name() {
        for secret in [
            "Cookie",
            "set-cookie",
            "Authorization",
            "x-api-KEY",
            "x-csrf-token",
            "cf-access-jwt-assertion",
            "client-secret",
        ] {
            assert_eq!(header_value(secret, "v"), "REDACTED", "{secret}");
        }
        for open in ["accept", "user-agent", "content-type", "cf-ray"] {
            assert_eq!(header_value(open, "v"), "v", "{open}");
        }
    }

    #[test]
    fn identifiers_in_urls() {
        for (given, stored) in [
            ("http://a/users/0123456789abcdef0123456789ABCDEF/x", "http://a/users/REDACTED/x"),
            ("http://a/018f3b2c-1a2b-4c3d-8e4f-0123456789ab?q=1", "http://a/REDACTED?q=1"),
            ("http://a/?id=aB3dE6gH9jK2mN5pQ8rS1&x=aB3dE6gH9jK2mN5pQ8rS1", "http://a/?id=REDACTED&x=REDACTED"),
            ("http://a/0123456789abcdef0123456789abcde", "http://a/0123456789abcdef0123456789abcde"),
            (
                "http://a/a-perfectly-readable-long-title-of-a-page",
                "http://a/a-perfectly-readable-long-title-of-a-page",
            ),
            ("http://a/ü/0123456789abcdef0123456789abcdef", "http://a/ü/REDACTED"),
            ("", ""),
        ] {
            assert_eq!(url(given), stored);
        }
    }
}
