//! The page for input that is not HTTP at all. hyper answers that by itself, with a bare status, and closes the connection:
//! the page is put in the place of that answer on its way out.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::accept::Representation;
use crate::error_page::{ErrorPage, Refusal};
use crate::exchange::{page_response, ray_value, tell_proxy_status};
use crate::serve::Shared;

/// What every response of the edge has in its head, and hyper's own have not.
const RAY: &[u8] = b"cf-ray:";

/// What is to be sent in place of `bytes`, if they are hyper's answer to what it could not read.
pub(crate) fn instead_of(bytes: &[u8], shared: &Shared) -> Option<Bytes> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    let refusal = match status {
        b"400" => Refusal::BadRequest,
        b"414" => Refusal::UrlTooLong,
        b"431" => Refusal::HeadersTooLarge,
        _ => return None,
    };
    if !bytes.ends_with(b"\r\n\r\n") || bytes.windows(RAY.len()).any(|part| part.eq_ignore_ascii_case(RAY)) {
        return None;
    }
    let answer = std::str::from_utf8(bytes).ok()?;
    let date = answer.split("\r\n").find(|line| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("date:")));
    Some(page(refusal, date, shared))
}

/// The whole response, with this `date` field.
fn page(refusal: Refusal, date: Option<&str>, shared: &Shared) -> Bytes {
    let page = ErrorPage::refusing(refusal);
    let ray = shared.rays.next();
    tracing::debug!(ray = %ray, status = page.status, "what came is no request");
    let (mut head, body) = page_response(page, ray, ray_value(ray), None, Representation::Text);
    tell_proxy_status(&shared.options, page, None, head.headers_mut());
    let status = head.status();
    // A status is written with its reason.
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in head.headers() {
        // Writing to a string does not fail.
        let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    if let Some(date) = date {
        let _ = write!(text, "{date}\r\n");
    }
    let _ = write!(text, "content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&body);
    bytes.into()
}
