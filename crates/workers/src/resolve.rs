//! What an import specifier means inside a bundle. Pure.

use crate::node::NodeModules;

/// A module that a specifier names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// A built-in module, by its file name.
    Builtin(String),
    /// A module of the bundle, by its name.
    Bundle(String),
}

/// Before the name of a built-in module. Only built-ins may import by it.
pub(crate) const BUILTIN: &str = "culvert:";

/// Resolves `specifier` as seen from `referrer` (empty for the runtime itself). `has` tells whether the bundle has a module.
///
/// A relative specifier is taken from the importing module's folder; any other is first a name in the bundle, then a built-in that
/// Workers may import.
///
/// # Errors
/// A sentence for the developer that names the specifier and the importer.
pub(crate) fn resolve(
    specifier: &str,
    referrer: &str,
    node: NodeModules,
    has: impl Fn(&str) -> bool,
) -> Result<Resolved, String> {
    if let Some(importer) = referrer.strip_prefix(BUILTIN) {
        let name = specifier.strip_prefix(BUILTIN).or_else(|| specifier.strip_prefix("./"));
        return match name {
            Some(name) => Ok(Resolved::Builtin(name.to_owned())),
            None if has(specifier) => Ok(Resolved::Bundle(specifier.to_owned())),
            None => Err(missing(specifier, importer)),
        };
    }
    if referrer.is_empty()
        && let Some(name) = specifier.strip_prefix(BUILTIN)
    {
        return Ok(Resolved::Builtin(name.to_owned()));
    }
    if specifier.starts_with("./") || specifier.starts_with("../") {
        return match join(referrer, specifier) {
            Some(path) if has(&path) => Ok(Resolved::Bundle(path)),
            Some(path) => Err(format!(
                "No such module \"{specifier}\", imported from \"{referrer}\": the bundle has no \"{path}\"."
            )),
            None => Err(format!(
                "No such module \"{specifier}\", imported from \"{referrer}\": it lies outside of the bundle."
            )),
        };
    }
    let plain = specifier.strip_prefix('/').unwrap_or(specifier);
    if has(plain) {
        return Ok(Resolved::Bundle(plain.to_owned()));
    }
    match specifier {
        "cloudflare:sockets" => Ok(Resolved::Builtin("cloudflare_sockets.js".to_owned())),
        "cloudflare:workers" => Ok(Resolved::Builtin("cloudflare_workers.js".to_owned())),
        _ => match node.file(specifier) {
            Some(Ok(file)) => Ok(Resolved::Builtin(file)),
            Some(Err(reason)) => Err(format!("No such module \"{specifier}\"{}: {reason}", imported_from(referrer))),
            None => Err(missing(specifier, referrer)),
        },
    }
}

/// Why there is no such module.
fn missing(specifier: &str, referrer: &str) -> String {
    let from = imported_from(referrer);
    let hint = match specifier.split_once(':') {
        Some(("cloudflare", _)) => {
            "of these modules only \"cloudflare:node\", \"cloudflare:sockets\" and \"cloudflare:workers\" are available."
        }
        _ => "it is neither in the bundle nor built in.",
    };
    format!("No such module \"{specifier}\"{from}: {hint}")
}

fn imported_from(referrer: &str) -> String {
    if referrer.is_empty() { String::new() } else { format!(", imported from \"{referrer}\"") }
}

/// `specifier` taken from the folder of `referrer`; `None` when it leaves the bundle.
fn join(referrer: &str, specifier: &str) -> Option<String> {
    let folder = referrer.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bundle(specifier: &str, referrer: &str) -> Result<Resolved, String> {
        resolve(specifier, referrer, NodeModules::None, |name| {
            ["index.js", "lib/a.js", "lib/b.js", "text.txt"].contains(&name)
        })
    }

    #[test]
    fn relative_specifiers_start_at_the_importer() {
        let expect = |specifier, referrer, name: &str| {
            assert_eq!(bundle(specifier, referrer).unwrap(), Resolved::Bundle(name.to_owned()));
        };
        expect("./lib/a.js", "index.js", "lib/a.js");
        expect("./b.js", "lib/a.js", "lib/b.js");
        expect("../index.js", "lib/a.js", "index.js");
        expect("././../lib/./b.js", "lib/a.js", "lib/b.js");
        expect("text.txt", "lib/a.js", "text.txt");
        expect("/text.txt", "lib/a.js", "text.txt");
        expect("index.js", "", "index.js");
    }

    #[test]
    fn errors_name_specifier_and_importer() {
        for (specifier, referrer) in
            [("./c.js", "lib/a.js"), ("../../x.js", "lib/a.js"), ("node:fs", "index.js"), ("lodash", "index.js")]
        {
            let message = bundle(specifier, referrer).unwrap_err();
            assert!(message.contains(specifier) && message.contains(referrer), "{message}");
        }
        assert!(bundle("node:fs", "index.js").unwrap_err().contains("nodejs_compat"));
    }

    #[test]
    fn only_built_ins_see_built_ins() {
        assert!(bundle("culvert:main.js", "index.js").is_err());
        assert_eq!(bundle("culvert:main.js", "").unwrap(), Resolved::Builtin("main.js".into()));
        assert_eq!(bundle("./url.js", "culvert:main.js").unwrap(), Resolved::Builtin("url.js".into()));
        assert_eq!(
            bundle("cloudflare:workers", "lib/a.js").unwrap(),
            Resolved::Builtin("cloudflare_workers.js".into())
        );
    }
}
