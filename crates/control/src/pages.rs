//! Files for browsers, beside the API: the dashboard. They are given to the API as bytes, perhaps compressed ones beside
//! them (`x.js`, `x.js.br`, `x.js.gz`); it does not know what is in them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const INDEX: &str = "index.html";

/// The encodings in which a file may be there, the better one first: as HTTP names it, and the end of the file's name.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

#[derive(Debug)]
struct Page {
    body: Bytes,
    /// The same, compressed, by encoding.
    encoded: Vec<(&'static str, Bytes)>,
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
        let files: HashMap<&'static str, &'static [u8]> = files.into_iter().collect();
        let page = |(&path, &body): (&&'static str, &&'static [u8])| {
            if ENCODINGS.iter().any(|(_, end)| path.strip_suffix(end).is_some_and(|plain| files.contains_key(plain))) {
                return None;
            }
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            // Weak: one for all encodings.
            let tag = HeaderValue::from_str(&format!("W/\"{:016x}\"", hasher.finish())).ok()?;
            let encoded = |(name, end): (&'static str, &str)| {
                files.get(format!("{path}{end}").as_str()).map(|&body| (name, Bytes::from_static(body)))
            };
            let encoded = ENCODINGS.into_iter().filter_map(encoded).collect();
            Some((path, Page { body: Bytes::from_static(body), encoded, content_type: content_type(path), tag }))
        };
        Self(files.iter().filter_map(page).collect())
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
        let varying = [(header::ETAG, page.tag.clone()), (header::VARY, HeaderValue::from_static("accept-encoding"))];
        if known {
            return Some((StatusCode::NOT_MODIFIED, varying, fixed).into_response());
        }
        Some(match page.encoded.iter().find(|(name, _)| accepts(headers, name)) {
            Some((name, body)) => (varying, fixed, [(header::CONTENT_ENCODING, *name)], body.clone()).into_response(),
            None => (varying, fixed, page.body.clone()).into_response(),
        })
    }
}

/// Whether `Accept-Encoding` names this encoding without refusing it (`q=0`).
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
            let refused = |part: &str| {
                part.strip_prefix("q=")
                    .and_then(|weight| weight.parse::<f32>().ok())
                    .is_some_and(|weight| weight == 0.0)
            };
            named && !parts.any(refused)
        })
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
