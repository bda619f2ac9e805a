//! Heads, from HTTP's types to the protocol's and back.

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use tunnel_proto::http::RequestHead;

/// Fields of the tunnel itself: neither side of a request may send them.
const INTERNAL: [&str; 3] = ["cf-cloudflared-", "cf-int-", "cf-proxy-"];

/// Whether a field is about one hop, or the tunnel's own.
fn stays_here(name: &HeaderName) -> bool {
    [CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE].contains(name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str())
        || INTERNAL.iter().any(|prefix| name.as_str().starts_with(prefix))
}

/// The fields that go to the service. `length` is the body's, where it is known.
pub(super) fn request_fields(head: &Parts, has_body: bool, length: Option<u64>, is_websocket: bool) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(head.headers.len() + 1);
    for (name, value) in head.headers.iter().filter(|(name, _)| !stays_here(name) && *name != CONTENT_LENGTH) {
        fields.append(name.clone(), value.clone());
    }
    // Go asks for gzip by itself otherwise, and unpacks it on the way.
    fields.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
    if !is_websocket && let Some(length) = length.filter(|_| has_body || head.headers.contains_key(CONTENT_LENGTH)) {
        fields.insert(CONTENT_LENGTH, length.into());
    }
    fields
}

/// The head as metadata. A body of unknown length is announced as chunked: without either, cloudflared sends none.
pub(super) fn request_head(head: &Parts, has_body: bool, length: Option<u64>, is_websocket: bool) -> RequestHead {
    let fields = request_fields(head, has_body, length, is_websocket);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    if has_body && length.is_none() && !is_websocket {
        fields.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
    }
    RequestHead { method: head.method.as_str().to_owned(), host: host(head), fields }
}

/// The host that was asked for: it chooses the ingress rule, which knows no ports.
pub(super) fn host(head: &Parts) -> String {
    head.uri.host().unwrap_or_default().to_owned()
}

/// A response's head. Fields that HTTP does not allow are left out, as a browser would do.
pub(super) fn response_head<'a>(
    status: u16,
    fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let headers = response.headers_mut();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
            && !INTERNAL.iter().any(|prefix| name.as_str().starts_with(prefix))
        {
            headers.append(name, value);
        }
    }
    Some(response)
}

/// How long the body of a response is, where its head says it.
pub(super) fn body_length(method: &Method, response: &Response<()>) -> Option<u64> {
    if method == Method::HEAD || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::Request;

    fn parts(fields: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::post("http://app.example:8080/a?b").body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    #[test]
    fn the_tunnel_cannot_be_told_what_to_do_by_a_visitor() {
        let head = parts(&[
            ("cf-cloudflared-proxy-connection-upgrade", "control-stream"),
            ("cf-cloudflared-proxy-src", "1.2.3.4"),
            ("connection", "close"),
            ("x-mine", "1"),
        ]);
        let fields = request_fields(&head, false, Some(0), false);
        let names: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-mine", "accept-encoding"]);
    }

    #[test]
    fn a_body_is_announced() {
        let head = parts(&[("content-length", "9")]);
        assert_eq!(request_fields(&head, true, Some(5), false)["content-length"], "5");
        assert_eq!(request_fields(&head, false, Some(0), false)["content-length"], "0");
        let metadata = request_head(&parts(&[]), true, None, false);
        assert_eq!(metadata.host, "app.example");
        assert!(metadata.fields.contains(&("Transfer-Encoding".to_owned(), "chunked".to_owned())));
        assert!(!request_fields(&head, false, None, true).contains_key("content-length"));
    }
}
