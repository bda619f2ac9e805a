//! Files for browsers, beside the API: the dashboard. They are given to the API as bytes; it does not know what is in them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const INDEX: &str = "index.html";

#[derive(Debug)]
struct Page {
    body: Bytes,
    content_type: &'static str,
    tag: HeaderValue,
}

/// Files by path, without a leading slash. `index.html` is the answer to every address that is no file, since the
/// application in it knows its own addresses.
#[derive(Debug, Default)]
pub struct Pages(HashMap<&'static str, Page>);

impl Pages {
    /// These files.
    pub fn new(files: impl IntoIterator<Item = (&'static str, &'static [u8])>) -> Self {
        let page = |(path, body): (&'static str, &'static [u8])| {
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            let tag = HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).ok()?;
            Some((path, Page { body: Bytes::from_static(body), content_type: content_type(path), tag }))
        };
        Self(files.into_iter().filter_map(page).collect())
    }

    /// The answer to a request outside of the API, if it is for a page.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let path = path.trim_start_matches('/');
        let page = match self.0.get(path) {
            Some(page) => page,
            // A missing file is missing; a client of the API with a wrong address must not take a page for an answer.
            None if path.starts_with("assets/") || path.starts_with("client/") || !takes_html(headers) => return None,
            None => self.0.get(INDEX)?,
        };
        let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        let fixed = [
            (header::CONTENT_TYPE, page.content_type),
            (header::CACHE_CONTROL, caching),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ];
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == page.tag);
        let tag = [(header::ETAG, page.tag.clone())];
        Some(if known {
            (StatusCode::NOT_MODIFIED, tag, fixed).into_response()
        } else {
            (tag, fixed, page.body.clone()).into_response()
        })
    }
}

fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("text/html")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "md" | "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
