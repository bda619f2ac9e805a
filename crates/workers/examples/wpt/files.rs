//! Which files there are, and what their first lines say (<https://web-platform-tests.org/writing-tests/testharness.html#multi-global-tests>).

use std::fs;
use std::path::Path;

/// Beginnings of the paths of files that are about what Workers do not have, and what that is.
const NOT_FOR_WORKERS: [(&str, &str); 42] = [
    ("FileAPI/FileReader", NO_FILE_READER),
    ("FileAPI/file/Worker-read-file", NO_FILE_READER),
    ("FileAPI/fileReader", NO_FILE_READER),
    ("FileAPI/idlharness.worker", "the same as idlharness.any.js"),
    ("FileAPI/reading-data-section/", NO_FILE_READER),
    ("FileAPI/url/", NO_OBJECT_URLS),
    ("encoding/replacement-encodings", NO_XHR),
    ("encoding/unsupported-encodings", NO_XHR),
    ("fetch/api/basic/integrity", "subresource integrity is about what a page embeds"),
    ("fetch/api/basic/keepalive", NO_PAGE),
    ("fetch/api/basic/mode-", NO_ORIGIN),
    ("fetch/api/basic/referrer", NO_ORIGIN),
    ("fetch/api/basic/request-forbidden-headers", NO_FORBIDDEN_HEADERS),
    ("fetch/api/basic/request-headers.any", "about the headers that a browser adds"),
    ("fetch/api/basic/request-private-network-headers", NO_ORIGIN),
    ("fetch/api/basic/request-referrer", NO_ORIGIN),
    ("fetch/api/basic/scheme-blob", NO_OBJECT_URLS),
    ("fetch/api/cors/", NO_ORIGIN),
    ("fetch/api/credentials/", "Workers keep no cookies and no credentials"),
    ("fetch/api/headers/headers-no-cors", NO_ORIGIN),
    ("fetch/api/redirect/redirect-back-to-original-origin", NO_ORIGIN),
    ("fetch/api/redirect/redirect-keepalive", NO_PAGE),
    ("fetch/api/redirect/redirect-origin", NO_ORIGIN),
    ("fetch/api/redirect/redirect-referrer", NO_ORIGIN),
    ("fetch/api/request/request-cache-", "fetch() has no HTTP cache; the Cache API is another thing"),
    ("fetch/api/request/request-headers", NO_FORBIDDEN_HEADERS),
    ("fetch/api/request/request-keepalive", NO_PAGE),
    ("fetch/api/request/request-init-priority", "a hint to a browser's scheduler"),
    ("fetch/content-encoding/zstd/", "Workers do not decode zstd"),
    ("streams/readable-streams/owning-type", PROPOSAL),
    ("urlpattern/urlpattern-compare.tentative", PROPOSAL),
    ("urlpattern/urlpattern-generate.tentative", PROPOSAL),
    ("webmessaging/broadcastchannel/", "Workers have no BroadcastChannel"),
    ("webmessaging/message-channels/close-event/", PROPOSAL),
    ("webmessaging/message-channels/user-activation", NO_PAGE),
    ("webmessaging/message-channels/worker", "Workers have no Worker"),
    ("websockets/Create-on-worker-shutdown", "Workers have no Worker"),
    ("websockets/bufferedAmount-unchanged-by-sync-xhr", NO_XHR),
    ("websockets/mixed-content", NO_ORIGIN),
    ("websockets/opening-handshake/003-sets-origin", NO_ORIGIN),
    ("websockets/referrer", NO_ORIGIN),
    ("websockets/stream/tentative/", PROPOSAL),
];
const NO_FILE_READER: &str = "Workers have no FileReader";
const NO_FORBIDDEN_HEADERS: &str = "Workers may set every header: they are no pages that must be kept from it";
const NO_HTTP2: &str = "needs a server of HTTP/2, which is not started here";
const NO_OBJECT_URLS: &str = "Workers have no blob: URLs";
const NO_ORIGIN: &str = "Workers have no origin, so that the same-origin policy, CORS and Referer are not there";
const NO_PAGE: &str = "Workers have no page that can be left";
const NO_XHR: &str = "Workers have no XMLHttpRequest";
const PROPOSAL: &str = "a proposal that the standard has not taken";

/// A file, or one variant of it.
pub struct TestFile {
    /// Its path with the variant, as `streams/piping/abort.any.js` or `url/x.any.js?1-1000`.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The query of the variant, or empty.
    pub variant: String,
    /// Scripts that come before it, as paths from the root.
    pub scripts: Vec<String>,
    /// Why it is not for Workers.
    pub skip: Option<String>,
}

impl TestFile {
    /// Whether it asks to be served by HTTPS.
    pub fn https(&self) -> bool {
        self.path.contains(".https.")
    }
}

/// All files of a directory, in order.
pub fn find(root: &Path, directory: &str, filters: &[String]) -> Vec<TestFile> {
    let mut paths = Vec::new();
    walk(root, directory, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .filter(|path| filters.is_empty() || filters.iter().any(|filter| path.contains(filter.as_str())))
        .flat_map(|path| variants(root, &path))
        .collect()
}

fn walk(root: &Path, directory: &str, paths: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(directory)) else { return };
    for entry in entries.flatten() {
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(root, &path, paths);
        } else if path.ends_with(".any.js") || path.ends_with(".worker.js") {
            paths.push(path);
        }
    }
}

fn variants(root: &Path, path: &str) -> Vec<TestFile> {
    let text = fs::read(root.join(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut scripts = Vec::new();
    let mut variants = Vec::new();
    let mut skip = None;
    for line in text.lines().take_while(|line| line.starts_with("//") || line.is_empty()) {
        let Some((key, value)) = line.strip_prefix("// META:").and_then(|meta| meta.trim().split_once('=')) else {
            continue;
        };
        match key {
            "script" => scripts.push(resolve(path, value)),
            "variant" => variants.push(value.to_owned()),
            "global" if !value.split(',').any(|global| matches!(global.trim(), "worker" | "dedicatedworker")) => {
                skip = Some(format!("is for other globals: {value}"));
            }
            _ => {}
        }
    }
    // A script of a worker names what comes before it in its code; the harness is there anyway.
    if path.ends_with(".worker.js") {
        for (at, import) in text.match_indices("importScripts(") {
            let argument = text.get(at + import.len()..).and_then(|rest| rest.split(')').next()).unwrap_or_default();
            let script = resolve(path, argument.trim().trim_matches(['"', '\'']));
            if script != "resources/testharness.js" {
                scripts.push(script);
            }
        }
    }
    if let Some((_, reason)) = NOT_FOR_WORKERS.iter().find(|(beginning, _)| path.starts_with(beginning)) {
        skip = Some((*reason).to_owned());
    }
    if path.contains(".h2.") {
        skip = Some(NO_HTTP2.to_owned());
    }
    if path.contains("448") {
        skip = Some("Workers have no X448 and Ed448, which are proposals that the standard has not taken".to_owned());
    }
    if variants.is_empty() {
        variants.push(String::new());
    }
    variants
        .into_iter()
        .map(|variant| TestFile {
            name: format!("{path}{variant}"),
            path: path.to_owned(),
            scripts: scripts.clone(),
            skip: skip.clone().or_else(|| variant.contains("wpt_flags=h2").then(|| NO_HTTP2.to_owned())),
            variant,
        })
        .collect()
}

/// The path that `reference` means in the file `path`.
fn resolve(path: &str, reference: &str) -> String {
    // The tests' own server serves this file under another name.
    if reference == "/resources/WebIDLParser.js" {
        return "resources/webidl2/lib/webidl2.js".to_owned();
    }
    if let Some(absolute) = reference.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
