//! Which headers cross the edge, and which it writes itself.

use http::header::{
    self, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{HeaderMap, Version};

pub(crate) const CF_CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");
pub(crate) const CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TRUE_CLIENT_IP: HeaderName = HeaderName::from_static("true-client-ip");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What the edge tells a Worker about a visitor.
pub(crate) struct Visitor<'a> {
    pub address: &'a HeaderValue,
    pub ray: &'a HeaderValue,
    pub scheme: &'static str,
    pub authority: &'a Authority,
}

/// The bytes of all names and values.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Makes a visitor's headers those that a Worker sees.
pub(crate) fn rewrite_request(headers: &mut HeaderMap, version: Version, visitor: &Visitor<'_>) {
    let upgrade = version < Version::HTTP_2 && asks_for_upgrade(headers);
    remove_hop_by_hop(headers, upgrade);
    remove_forged(headers);
    if version >= Version::HTTP_2 {
        join_cookies(headers);
    }
    if headers.get(HOST).is_none_or(|host| host != visitor.authority.as_str())
        && let Ok(host) = HeaderValue::from_str(visitor.authority.as_str())
    {
        headers.insert(HOST, host);
    }
    headers.insert(CF_CONNECTING_IP, visitor.address.clone());
    headers.insert(CF_RAY, visitor.ray.clone());
    headers.insert(X_FORWARDED_FOR, visitor.address.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(visitor.scheme));
    headers.insert(X_REAL_IP, visitor.address.clone());
}

/// Makes a Worker's headers those that a visitor sees. `exact_length`: the length of the body where it is known.
pub(crate) fn rewrite_response(headers: &mut HeaderMap, ray: HeaderValue, exact_length: Option<u64>, is_head: bool) {
    remove_hop_by_hop(headers, false);
    // A length that the body does not have would break the connection's framing; hyper writes the right one.
    if headers.contains_key(CONTENT_LENGTH) {
        let mut given = headers.get_all(CONTENT_LENGTH).iter();
        let only = given.next().filter(|_| given.next().is_none());
        let valid = only.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
        let wrong = match (valid, exact_length) {
            (None, _) => true,
            (Some(_), _) if is_head => false,
            (Some(length), Some(exact)) => length != exact,
            (Some(_), None) => false,
        };
        if wrong {
            headers.remove(CONTENT_LENGTH);
        }
    }
    headers.insert(CF_RAY, ray);
}

/// Whether the request really asks to change its protocol: `Upgrade` alone means nothing.
pub(crate) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        && headers.get_all(CONNECTION).iter().any(|value| {
            value.to_str().is_ok_and(|text| text.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade")))
        })
}

/// RFC 9110, section 7.6.1: `Connection`, what it names, and the fields known to be for one hop.
fn remove_hop_by_hop(headers: &mut HeaderMap, keep_upgrade: bool) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .filter_map(|option| HeaderName::from_bytes(option.trim().as_bytes()).ok())
            // Fields that no peer may make disappear: they are about the message, not about the hop.
            .filter(|name| *name != HOST && *name != CONTENT_LENGTH && !(keep_upgrade && *name == UPGRADE))
            .collect();
        headers.remove(CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(TE);
    headers.remove(TRANSFER_ENCODING);
    if !keep_upgrade {
        headers.remove(UPGRADE);
    }
}

/// Names that only the edge may use towards a Worker.
fn remove_forged(headers: &mut HeaderMap) {
    headers.remove(TRUE_CLIENT_IP);
    if headers.keys().any(|name| name.as_str().starts_with("cf-")) {
        let forged: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("cf-")).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }
}

/// HTTP/2 may split a cookie string over several fields; everything else expects one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let mut joined = Vec::new();
    for value in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(value.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, value);
    }
}

/// The announced length of a body, when there is one.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn rewritten(fields: &[(&'static str, &'static str)], version: Version) -> HeaderMap {
        let mut headers = map(fields);
        let visitor = Visitor {
            address: &HeaderValue::from_static("192.0.2.1"),
            ray: &HeaderValue::from_static("0123456789abcdef"),
            scheme: "http",
            authority: &Authority::from_static("a.example"),
        };
        rewrite_request(&mut headers, version, &visitor);
        headers
    }

    #[test]
    fn the_edge_cannot_be_impersonated() {
        let headers = rewritten(
            &[
                ("cf-connecting-ip", "203.0.113.1"),
                ("cf-connecting-ip", "203.0.113.2"),
                ("cf-ipcountry", "XX"),
                ("cf-access-jwt-assertion", "x"),
                ("true-client-ip", "203.0.113.1"),
                ("x-forwarded-for", "203.0.113.1"),
                ("x-forwarded-proto", "https"),
                ("x-real-ip", "203.0.113.1"),
                ("x-mine", "stays"),
            ],
            Version::HTTP_11,
        );
        let mut seen: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        seen.sort_unstable();
        let expected = [
            ("cf-connecting-ip", "192.0.2.1"),
            ("cf-ray", "0123456789abcdef"),
            ("host", "a.example"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "http"),
            ("x-mine", "stays"),
            ("x-real-ip", "192.0.2.1"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn one_hop_is_one_hop() {
        let headers = rewritten(
            &[
                ("host", "a.example"),
                ("connection", "keep-alive, X-Private"),
                ("connection", "host"),
                ("keep-alive", "timeout=5"),
                ("x-private", "1"),
                ("proxy-connection", "keep-alive"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("transfer-encoding", "chunked"),
            ],
            Version::HTTP_11,
        );
        for gone in ["connection", "keep-alive", "x-private", "proxy-connection", "te", "upgrade", "transfer-encoding"]
        {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["host"], "a.example");
    }

    #[test]
    fn an_upgrade_can_be_seen() {
        let asked = [("connection", "Upgrade"), ("upgrade", "websocket")];
        assert_eq!(rewritten(&asked, Version::HTTP_11)["upgrade"], "websocket");
        assert!(!rewritten(&asked, Version::HTTP_2).contains_key("upgrade"));
    }

    #[test]
    fn cookies_become_one() {
        let cookies = [("cookie", "a=1"), ("cookie", "b=2")];
        let headers = rewritten(&cookies, Version::HTTP_2);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn lengths_are_true_or_absent() {
        let ray = HeaderValue::from_static("0123456789abcdef");
        for (given, exact, is_head, kept) in [
            ("5", Some(5), false, true),
            ("6", Some(5), false, false),
            ("5", None, false, true),
            ("five", None, false, false),
            ("-1", None, false, false),
            ("6", Some(0), true, true),
        ] {
            let mut headers = map(&[("content-length", given)]);
            rewrite_response(&mut headers, ray.clone(), exact, is_head);
            assert_eq!(headers.contains_key("content-length"), kept, "{given} {exact:?} {is_head}");
        }
        let mut headers = map(&[("content-length", "5"), ("content-length", "5")]);
        rewrite_response(&mut headers, ray, None, false);
        assert!(!headers.contains_key("content-length"));
    }
}
