//! Which files there are, and what their first lines say (<https://web-platform-tests.org/writing-tests/testharness.html#multi-global-tests>).

use std::fs;
use std::path::Path;

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
        } else if path.ends_with(".any.js") {
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
    if path.ends_with(".sub.any.js") {
        skip = Some("needs the substitutions of the tests' own server".to_owned());
    }
    if variants.is_empty() {
        variants.push(String::new());
    }
    variants
        .into_iter()
        .map(|variant| TestFile {
            name: format!("{path}{variant}"),
            path: path.to_owned(),
            variant,
            scripts: scripts.clone(),
            skip: skip.clone(),
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
