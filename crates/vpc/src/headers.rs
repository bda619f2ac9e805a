//! Header fields that an intermediary must take out or look at (RFC 9110 section 7.6).

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHORIZATION: HeaderName = HeaderName::from_static("proxy-authorization");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Removes the fields that concern one connection only: those named by `Connection` and those that always do.
/// `TE: trailers` survives, since trailers are forwarded.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        // Whatever `Connection` says, these are the request itself.
        .filter(|name| !matches!(name.as_str(), "host" | "content-length" | "cdn-loop"))
        .collect();
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    for name in named {
        headers.remove(name);
    }
    for name in
        [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHORIZATION, HTTP2_SETTINGS, TE, TRANSFER_ENCODING, UPGRADE]
    {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The protocol that the request asks to upgrade to. An `Upgrade` field alone is enough: a Worker that writes
/// `headers: { Upgrade: "websocket" }` means it, and `Connection` is not its to set. An offer to speak another version of
/// HTTP (`h2c`, as curl makes it) concerns the visitor's connection and ends here.
pub(crate) fn wanted_upgrade(headers: &HeaderMap) -> Option<String> {
    tokens(headers, &UPGRADE)
        .find(|protocol| !protocol.eq_ignore_ascii_case("h2c") && !protocol.to_ascii_uppercase().starts_with("HTTP/"))
        .map(str::to_owned)
}

/// Whether the list-valued field `name` contains `token`, whatever its case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

/// The tokens of a comma-separated field, over all its lines.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn hop_by_hop_fields_go_and_the_rest_stays() {
        let mut headers = map(&[
            ("connection", "close, X-Mine"),
            ("connection", "host, content-length"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("x-mine", "1"),
            ("x-yours", "2"),
            ("content-length", "3"),
            ("authorization", "Bearer x"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), ["authorization", "content-length", "te", "x-yours"]);
        assert_eq!(headers[TE], "trailers");
    }

    #[test]
    fn an_upgrade_field_alone_asks_for_it() {
        assert_eq!(wanted_upgrade(&map(&[("upgrade", "websocket")])).as_deref(), Some("websocket"));
        assert_eq!(wanted_upgrade(&map(&[("connection", "upgrade")])), None);
        assert_eq!(wanted_upgrade(&map(&[("upgrade", "h2c")])), None);
        assert_eq!(wanted_upgrade(&map(&[("upgrade", "HTTP/3.0, websocket")])).as_deref(), Some("websocket"));
    }
}
