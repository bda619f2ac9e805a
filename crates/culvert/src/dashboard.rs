//! The dashboard's files, as they were when the program was built.

use control::Pages;

/// Path and content of each file; none when the dashboard had not been built.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// What is at `/` in their place.
const MISSING: &[u8] =
    b"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Culvert</title></head><body>\n\
<h1>Culvert</h1>\n<p>This program was built without the dashboard, which <code>make build</code> puts into it.</p>\n\
<p>The API is at <a href=\"/client/v4/openapi.json\">/client/v4</a>.</p>\n</body></html>\n";

/// The files for browsers.
pub fn pages() -> Pages {
    if FILES.is_empty() { Pages::new([("index.html", MISSING)]) } else { Pages::new(FILES.iter().copied()) }
}
