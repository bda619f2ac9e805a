//! The marks by which an edge knows its own messages again: its name in `CDN-Loop` (RFC 8586) of requests that it passes on, and in
//! `Proxy-Status` (RFC 9209) of responses that it makes. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `CDN-Loop`.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// `Proxy-Status`.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Whether `CDN-Loop` says that the request has passed the edge of this name before.
pub fn has_passed(headers: &HeaderMap, edge: &str) -> bool {
    list_members(headers, &CDN_LOOP).any(|member| first_part(member).eq_ignore_ascii_case(edge))
}

/// Notes in `CDN-Loop` that the request passes the edge of this name. Members that others have added stay, in order.
pub fn note_passage(headers: &mut HeaderMap, edge: &str) {
    if let Ok(value) = HeaderValue::from_str(edge) {
        headers.append(CDN_LOOP, value);
    }
}

/// What the edge of this name says in `Proxy-Status` of a response that it makes itself.
pub fn proxy_status(edge: &str, error_type: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{edge}; error={error_type}")).ok()
}

/// Whether the response is the refusal of a request that came back, by the edge of this name.
pub fn says_looped(headers: &HeaderMap, edge: &str) -> bool {
    list_members(headers, &PROXY_STATUS).any(|member| {
        first_part(member).trim_matches('"').eq_ignore_ascii_case(edge)
            && member.split(';').skip(1).any(|parameter| parameter.trim() == "error=proxy_loop_detected")
    })
}

/// The members of a list-valued field, over all its lines. Commas inside quoted strings do not separate.
fn list_members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| {
        let mut quoted = false;
        let mut escaped = false;
        value
            .split(move |byte: char| {
                if escaped {
                    escaped = false;
                } else if quoted && byte == '\\' {
                    escaped = true;
                } else if byte == '"' {
                    quoted = !quoted;
                }
                byte == ',' && !quoted
            })
            .map(str::trim)
            .filter(|member| !member.is_empty())
    })
}

fn first_part(member: &str) -> &str {
    member.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn loops_are_seen_by_our_name_only() {
        for (value, ours) in [
            ("culvert-1", true),
            ("Culvert-1", true),
            ("other, culvert-1; v=2", true),
            ("other; note=\"a, culvert-1\"", false),
            ("culvert-12", false),
            ("cloudflare; loops=1", false),
            ("", false),
        ] {
            let headers = map(&[("cdn-loop", value)]);
            assert_eq!(has_passed(&headers, "culvert-1"), ours, "{value}");
        }
        let mut headers = map(&[("cdn-loop", "other")]);
        note_passage(&mut headers, "culvert-1");
        assert!(has_passed(&headers, "culvert-1") && has_passed(&headers, "other"));
    }

    #[test]
    fn our_own_refusal_is_recognised() {
        let looped = |value| says_looped(&map(&[("proxy-status", value)]), "culvert-1");
        assert!(looped("culvert-1; error=proxy_loop_detected"));
        assert!(looped("other, \"culvert-1\"; details=\"x\"; error=proxy_loop_detected"));
        assert!(!looped("culvert-1; error=dns_error"));
        assert!(!looped("other; error=proxy_loop_detected"));
    }

    #[test]
    fn what_an_edge_says_it_recognises() {
        let said = proxy_status("culvert-1", "proxy_loop_detected").map(|value| (PROXY_STATUS, value));
        assert!(says_looped(&said.into_iter().collect(), "culvert-1"));
    }
}
