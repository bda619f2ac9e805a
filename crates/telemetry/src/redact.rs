//! What must not be stored: credentials in headers, and identifiers in URLs, by the rules of Workers' tail events.

use std::borrow::Cow;

const REDACTED: &str = "REDACTED";

/// Whether a header's value is a secret, by its name.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "jwt", "key", "secret", "token"].iter().any(|part| name.contains(part))
}

/// Whether a header's value is a URL or a path, by its name: `Referer`, and what proxies call the URL that was asked for.
fn is_url_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "referer" || ["url", "uri"].iter().any(|part| name.split('-').any(|word| word == *part))
}

/// The value as it may be stored.
pub(crate) fn header_value<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret_header(name) {
        Cow::Borrowed(REDACTED)
    } else if is_url_header(name) {
        url(value)
    } else {
        Cow::Borrowed(value)
    }
}

/// The URL with everything that looks like an identifier replaced: 32 or more hexadecimal digits (separators between them
/// allowed), or 21 or more characters of base64 with at least two capitals, two small letters and two digits.
///
/// The characters of base64 are those of both alphabets, `+` and `-`, `/` and `_`, and their percent-encodings. A bare `/` parts the
/// segments of a path, where `+` and its kin may be in an identifier; it belongs to one only in a value of the query that is base64
/// from its beginning to its end.
pub(crate) fn url(url: &str) -> Cow<'_, str> {
    let mut redacted = String::new();
    let mut kept = 0;
    let mut at = 0;
    let query = url.find('?').unwrap_or(url.len());
    while at < url.len() {
        let rest = url.get(at..).unwrap_or_default();
        let begins_value = at > query && url.get(..at).is_some_and(|before| before.ends_with('='));
        let value = if begins_value { value(rest) } else { None };
        let word = match value {
            Some(value) if is_identifier(value) => value.len(),
            _ => word(rest, false),
        };
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

/// The value of a query that begins here, if it is base64 as a whole. One that begins with `/` is rather a path.
fn value(rest: &str) -> Option<&str> {
    let (unpadded, after) = rest.split_at_checked(word(rest, true))?;
    let padding = after.bytes().take(2).take_while(|byte| *byte == b'=').count();
    let is_whole = matches!(after.as_bytes().get(padding), None | Some(b'&' | b'#'));
    rest.get(..unpadded.len() + padding).filter(|value| is_whole && !value.starts_with('/'))
}

/// The length of the characters at the beginning that an identifier may have.
fn word(text: &str, with_slash: bool) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        at += match byte {
            b'+' | b'-' | b'_' => 1,
            b'/' if with_slash => 1,
            byte if byte.is_ascii_alphanumeric() => 1,
            _ if text.get(at..at + 3).is_some_and(is_escape) => 3,
            _ => break,
        };
    }
    at
}

/// Whether these are `+`, `/` or `=` in a URL.
fn is_escape(three: &str) -> bool {
    ["%2b", "%2f", "%3d"].iter().any(|escape| three.eq_ignore_ascii_case(escape))
}

fn is_identifier(word: &str) -> bool {
    if word.len() < 21 {
        return false;
    }
    let (mut capitals, mut small, mut digits, mut hex, mut separators, mut others) = (0, 0, 0, 0, 0, 0);
    let mut at = 0;
    while let Some(byte) = word.as_bytes().get(at) {
        if word.get(at..at + 3).is_some_and(is_escape) {
            others += 1;
            at += 3;
            continue;
        }
        capitals += usize::from(byte.is_ascii_uppercase());
        small += usize::from(byte.is_ascii_lowercase());
        digits += usize::from(byte.is_ascii_digit());
        hex += usize::from(byte.is_ascii_hexdigit());
        separators += usize::from(matches!(byte, b'+' | b'-' | b'_'));
        others += usize::from(matches!(byte, b'/' | b'='));
        at += 1;
    }
    let length = capitals + small + digits + separators + others;
    let is_hex = hex >= 32 && hex + separators == length;
    let is_base64 = length >= 21 && capitals >= 2 && small >= 2 && digits >= 2;
    is_hex || is_base64
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
        let page = "https://shop.example/reset/0123456789abcdef0123456789abcdef?page=2";
        for url in ["Referer", "x-original-url", "X-Forwarded-Uri", "x-rewrite-url"] {
            assert_eq!(header_value(url, page), "https://shop.example/reset/REDACTED?page=2", "{url}");
        }
        // That one is no URL, and says nothing secret.
        assert_eq!(header_value("x-curl-version", page), page);
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
            // Base64 of either alphabet, with padding, bare and encoded.
            ("http://a/aB3dE6gH9+K2mN5pQ8rS1/x", "http://a/REDACTED/x"),
            ("http://a/aB3dE6gH9%2BK2mN5%2fQ8rS1/x", "http://a/REDACTED/x"),
            ("http://a/?sig=aB3dE/6gH9+K2mN/5pQ8rS1==&x=1#y", "http://a/?sig=REDACTED&x=1#y"),
            ("http://a/?sig=aB3dE%2F6gH9%2BK2mN5pQ8rS1%3D%3D&x=1", "http://a/?sig=REDACTED&x=1"),
            ("http://a/?x=1&sig=/aB3dE6gH9jK2mN5pQ8rS1/", "http://a/?x=1&sig=/REDACTED/"),
            // A path is not an identifier, and its segments are not one together.
            ("http://a/Shop1/Books2/Page33/Reviews", "http://a/Shop1/Books2/Page33/Reviews"),
            ("http://a/?next=/Shop1/Books2/Page33/Reviews", "http://a/?next=/Shop1/Books2/Page33/Reviews"),
            ("http://a/?next=http://b/Shop1/Books2/Page33", "http://a/?next=http://b/Shop1/Books2/Page33"),
            ("http://a/?q=what+is+the+best+way+to+do+it", "http://a/?q=what+is+the+best+way+to+do+it"),
            // Escapes count as the one character that they are.
            ("http://a/%2B%2B%2B%2B%2B%2BaB3dE6", "http://a/%2B%2B%2B%2B%2B%2BaB3dE6"),
            ("%2", "%2"),
            ("http://a/?===&=&a=aB3dE6gH9jK2mN5pQ8rS1===", "http://a/?===&=&a=REDACTED==="),
            ("", ""),
        ] {
            assert_eq!(url(given), stored);
        }
    }
}
