//! What a request's conditions and range make of a response that is kept (RFC 9110, 13 and 14).

use std::ops::Range;

use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::CachedResponse;
use super::policy::date;

/// The response to a request with these headers.
pub(crate) fn answer(mut response: CachedResponse, request: &HeaderMap) -> CachedResponse {
    if response.status != StatusCode::OK {
        return response;
    }
    if unchanged(&response.headers, request) {
        response.status = StatusCode::NOT_MODIFIED;
        response.headers.remove(CONTENT_LENGTH);
        response.body.clear();
        return response;
    }
    let length = response.body.len();
    let Some(range) = text(request, &RANGE).and_then(|range| single_range(range, length)) else { return response };
    let (status, content_range) = match range {
        Some(range) => {
            let described = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
            response.body = response.body.slice(range);
            (StatusCode::PARTIAL_CONTENT, described)
        }
        None => {
            response.body.clear();
            (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{length}"))
        }
    };
    response.status = status;
    response.headers.insert(CONTENT_LENGTH, HeaderValue::from(response.body.len()));
    if let Ok(value) = HeaderValue::try_from(content_range) {
        response.headers.insert(CONTENT_RANGE, value);
    }
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Whether the requester has the response already. If-None-Match goes before If-Modified-Since.
fn unchanged(response: &HeaderMap, request: &HeaderMap) -> bool {
    if let Some(wanted) = text(request, &IF_NONE_MATCH) {
        let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        return text(response, &ETAG)
            .is_some_and(|etag| wanted == "*" || wanted.split(',').any(|tag| strong(tag) == strong(etag)));
    }
    let since = text(request, &IF_MODIFIED_SINCE).and_then(date);
    let modified = text(response, &LAST_MODIFIED).and_then(date);
    since.zip(modified).is_some_and(|(since, modified)| modified <= since)
}

/// The bytes of a Range with one range. `None` for what is to be ignored, `Some(None)` for one outside of the body.
fn single_range(range: &str, length: usize) -> Option<Option<Range<usize>>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if last.contains(',') {
        return None;
    }
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => (length.saturating_sub(suffix.parse().ok()?), length),
        (first, "") => (first.parse().ok()?, length),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.saturating_add(1).min(length)),
    };
    Some((start < end).then_some(start..end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn ask(fields: &[(&str, &str)]) -> (u16, Bytes) {
        let response = CachedResponse {
            status: StatusCode::OK,
            headers: headers(&[("etag", "\"a\""), ("last-modified", "Thu, 01 Jan 1970 00:01:00 GMT")]),
            body: Bytes::from_static(b"0123456789"),
            stored: SystemTime::UNIX_EPOCH,
            expires: SystemTime::UNIX_EPOCH,
        };
        let answer = answer(response, &headers(fields));
        (answer.status.as_u16(), answer.body)
    }

    #[test]
    fn conditions_and_ranges() {
        for (fields, status, body) in [
            (&[][..], 200, "0123456789"),
            (&[("if-none-match", "\"b\", W/\"a\"")], 304, ""),
            (&[("if-none-match", "\"b\"")], 200, "0123456789"),
            (&[("if-modified-since", "Thu, 01 Jan 1970 00:01:00 GMT")], 304, ""),
            (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:59 GMT")], 200, "0123456789"),
            (&[("range", "bytes=2-3")], 206, "23"),
            (&[("range", "bytes=8-")], 206, "89"),
            (&[("range", "bytes=-3")], 206, "789"),
            (&[("range", "bytes=8-100")], 206, "89"),
            (&[("range", "bytes=10-")], 416, ""),
            (&[("range", "bytes=0-1,3-4")], 200, "0123456789"),
            (&[("range", "lines=1-2")], 200, "0123456789"),
        ] {
            assert_eq!(ask(fields), (status, Bytes::from_static(body.as_bytes())), "{fields:?}");
        }
    }
}
