//! A Worker's directory: its wrangler configuration and its modules, as `wrangler deploy --no-bundle` reads them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The configuration files, in the order in which wrangler looks for them.
const CONFIGURATION_FILES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// A module to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path below the directory of the main module, with `/`: what `import` says, without `./`.
    pub name: String,
    /// The content type that tells its kind.
    pub content_type: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

/// What is to be deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The Worker's name, when the configuration gives one.
    pub name: Option<String>,
    /// The upload's `metadata`.
    pub metadata: Map<String, Value>,
    /// The modules, the main one first.
    pub modules: Vec<Module>,
}

impl Project {
    /// Reads the directory's configuration and modules.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let Some(path) = CONFIGURATION_FILES.iter().map(|name| directory.join(name)).find(|path| path.is_file()) else {
            return Err(Failure::failed(format!(
                "{} has no wrangler.jsonc, wrangler.json or wrangler.toml; name the Worker's directory, or write one with at least `name` and `main`",
                directory.display()
            )));
        };
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let configuration = parse_configuration(&path, &text)?;
        let main = configuration.get("main").and_then(Value::as_str).ok_or_else(|| {
            Failure::failed(format!("{} does not say which file is the `main` module", path.display()))
        })?;
        let main_path = directory.join(main);
        let base = main_path.parent().unwrap_or(directory).to_path_buf();
        let main_module = module(&base, &main_path)?.ok_or_else(|| {
            Failure::failed(format!(
                "the main module {} is not JavaScript; `culvert deploy` uploads modules as they are, so build TypeScript first or use wrangler",
                main_path.display()
            ))
        })?;
        let mut modules = vec![main_module];
        collect_modules(&base, &base, &main_path, &mut modules)?;
        let metadata = metadata(&path, &configuration, &modules[0].name)?;
        let name = configuration.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { name, metadata, modules })
    }

    /// A project whose files are in the program itself: `(name, content)`, the configuration among them.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, Failure> {
        let missing = |what: &str| Failure::failed(format!("the embedded example has no {what}"));
        let (name, text) = files
            .iter()
            .find(|(name, _)| CONFIGURATION_FILES.contains(name))
            .ok_or_else(|| missing("configuration"))?;
        let configuration = parse_configuration(Path::new(name), text)?;
        let main = configuration.get("main").and_then(Value::as_str).ok_or_else(|| missing("main module"))?;
        let mut modules: Vec<Module> = files
            .iter()
            .filter_map(|(name, content)| {
                let content_type = content_type(Path::new(name))?;
                Some(Module { name: (*name).to_owned(), content_type, content: content.as_bytes().to_vec() })
            })
            .filter(|module| !CONFIGURATION_FILES.contains(&module.name.as_str()))
            .collect();
        modules.sort_by_key(|module| module.name != main);
        let metadata = metadata(Path::new(name), &configuration, main)?;
        let name = configuration.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { name, metadata, modules })
    }

    /// Binds a VPC Service, in place of a binding of that name.
    pub fn bind_vpc_service(&mut self, binding: &str, service_id: &str) {
        if let Some(bindings) = self.metadata.get_mut("bindings").and_then(Value::as_array_mut) {
            bindings.retain(|existing| existing.get("name").and_then(Value::as_str) != Some(binding));
            bindings.push(json!({"type": "vpc_service", "name": binding, "service_id": service_id}));
        }
    }

    /// The upload as `multipart/form-data`: its content type and its bytes.
    pub fn multipart(&self) -> (String, Vec<u8>) {
        let mut boundary = String::from("----culvert-upload");
        let holds =
            |boundary: &str, content: &[u8]| content.windows(boundary.len()).any(|part| part == boundary.as_bytes());
        while self.modules.iter().any(|module| holds(&boundary, &module.content)) {
            boundary.push('-');
        }
        let mut bytes = Vec::new();
        let metadata = Value::Object(self.metadata.clone()).to_string();
        bytes.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n")
                .as_bytes(),
        );
        for Module { name, content_type, content } in &self.modules {
            let name = name.replace('"', "%22").replace(['\r', '\n'], "%0A");
            bytes.extend_from_slice(
                format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n"
                )
                .as_bytes(),
            );
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), bytes)
    }
}

fn parse_configuration(path: &Path, text: &str) -> Result<Map<String, Value>, Failure> {
    let wrong = |error: String| Failure::failed(format!("{} cannot be read: {error}", path.display()));
    let value: Value = if path.extension().is_some_and(|extension| extension == "toml") {
        toml::from_str(text).map_err(|error| wrong(error.to_string()))?
    } else {
        jsonc_parser::parse_to_serde_value::<Option<Value>>(text, &jsonc_parser::ParseOptions::default())
            .map_err(|error| wrong(error.to_string()))?
            .unwrap_or_default()
    };
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(wrong("it is not an object".to_owned())),
    }
}

/// What the configuration says, as the upload's `metadata`. A key that has no place there is refused, not dropped.
fn metadata(path: &Path, configuration: &Map<String, Value>, main_module: &str) -> Result<Map<String, Value>, Failure> {
    let unknown = |what: &str| {
        Failure::failed(format!(
            "{}: `culvert deploy` does not know `{what}`; deploy with wrangler, or remove it",
            path.display()
        ))
    };
    let mut bindings = Vec::new();
    let mut metadata = Map::new();
    metadata.insert("main_module".to_owned(), json!(main_module));
    for (key, value) in configuration {
        match key.as_str() {
            "$schema" | "name" | "main" | "workers_dev" | "no_bundle" | "rules" | "find_additional_modules" => {}
            "compatibility_date" | "compatibility_flags" | "limits" | "observability" => {
                metadata.insert(key.clone(), value.clone());
            }
            "vars" => {
                for (name, value) in value.as_object().ok_or_else(|| unknown("vars"))? {
                    bindings.push(match value {
                        Value::String(text) => json!({"type": "plain_text", "name": name, "text": text}),
                        other => json!({"type": "json", "name": name, "json": other}),
                    });
                }
            }
            "services" => {
                for service in value.as_array().ok_or_else(|| unknown("services"))? {
                    let mut binding = json!({"type": "service"});
                    for (key, value) in service.as_object().ok_or_else(|| unknown("services"))? {
                        let key = if key == "binding" { "name" } else { key };
                        binding[key] = value.clone();
                    }
                    bindings.push(binding);
                }
            }
            "version_metadata" => {
                let name = value.get("binding").cloned().unwrap_or_default();
                bindings.push(json!({"type": "version_metadata", "name": name}));
            }
            "tail_consumers" => {
                metadata.insert(key.clone(), value.clone());
            }
            "vpc_services" => {
                for PrivateBinding { name, id, .. } in private_bindings(path, key, value, &["service_id"])? {
                    bindings.push(json!({"type": "vpc_service", "name": name, "service_id": id}));
                }
            }
            "vpc_networks" => {
                for PrivateBinding { name, field, id } in
                    private_bindings(path, key, value, &["tunnel_id", "network_id"])?
                {
                    bindings.push(json!({"type": "vpc_network", "name": name, field: id}));
                }
            }
            other => return Err(unknown(other)),
        }
    }
    metadata.insert("bindings".to_owned(), Value::Array(bindings));
    Ok(metadata)
}

/// A binding to a VPC Service or Network.
struct PrivateBinding<'v> {
    name: &'v str,
    /// The field that has the id.
    field: &'static str,
    id: &'v str,
}

/// The bindings of one list, each with its name and the one id that it has of those that it can have. Checked as wrangler
/// does, in its words; but what is not known is refused here.
fn private_bindings<'v>(
    path: &Path,
    list: &str,
    value: &'v Value,
    ids: &[&'static str],
) -> Result<Vec<PrivateBinding<'v>>, Failure> {
    let wrong = |what: String| Failure::failed(format!("{}: {what}", path.display()));
    let listed =
        value.as_array().ok_or_else(|| wrong(format!("the field \"{list}\" should be an array, but got {value}")))?;
    let read = |binding: &'v Value| {
        let fields = binding
            .as_object()
            .ok_or_else(|| wrong(format!("\"{list}\" bindings should be objects, but got {binding}")))?;
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let name = text("binding").ok_or_else(|| {
            wrong(format!("\"{list}\" bindings should have a string \"binding\" field but got {binding}"))
        })?;
        let given: Vec<_> = ids.iter().filter(|id| fields.contains_key(**id)).collect();
        let asked = match ids {
            [id] => format!("a \"{id}\""),
            ids => format!("either a {}", ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(" or ")),
        };
        let one = match given[..] {
            [id] => text(id).map(|value| (*id, value)),
            [] => None,
            _ => return Err(wrong(format!("\"{list}\" bindings must have {asked}, but not both."))),
        };
        let one = one.ok_or_else(|| wrong(format!("\"{list}\" bindings must have {asked} field but got {binding}")))?;
        let known = |field: &str| ids.contains(&field) || ["binding", "remote"].contains(&field);
        match fields.keys().find(|field| !known(field)) {
            Some(field) => Err(wrong(format!("unexpected field \"{field}\" in the \"{list}\" binding {name}"))),
            None => Ok(PrivateBinding { name, field: one.0, id: one.1 }),
        }
    };
    listed.iter().map(read).collect()
}

/// Every module below `directory` but the main one, which is there already. Hidden directories and `node_modules` are passed over.
fn collect_modules(base: &Path, directory: &Path, main: &Path, modules: &mut Vec<Module>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file("read", directory, &error);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let passed_over = name.starts_with('.')
            || name == "node_modules"
            || path == main
            || (directory == base && CONFIGURATION_FILES.contains(&name.as_ref()));
        if passed_over {
            continue;
        }
        if path.is_dir() {
            collect_modules(base, &path, main, modules)?;
        } else if let Some(module) = module(base, &path)? {
            modules.push(module);
        }
    }
    Ok(())
}

fn module(base: &Path, path: &Path) -> Result<Option<Module>, Failure> {
    let Some(content_type) = content_type(path) else { return Ok(None) };
    let content = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    let below = path.strip_prefix(base).unwrap_or(path);
    let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    Ok(Some(Module { name, content_type, content }))
}

/// The kind of a file by its name, as wrangler's default rules have it.
fn content_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "js" | "mjs" => Some("application/javascript+module"),
        "json" => Some("application/json"),
        "txt" | "html" | "sql" => Some("text/plain"),
        "bin" => Some("application/octet-stream"),
        "wasm" => Some("application/wasm"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_jsonc_vars_and_bindings() {
        let project = Project::from_files(&[
            (
                "wrangler.jsonc",
                r#"{ // a comment
                "name": "shop", "main": "index.js", "compatibility_date": "2026-11-01",
                "vars": {"GREETING": "hello", "LIMITS": {"a": 1}}, "limits": {"cpu_ms": 50},
                "vpc_services": [{"binding": "API", "service_id": "11111111-1111-4111-8111-111111111111"}],
                "vpc_networks": [{"binding": "NET", "network_id": "cf1:network"}], }"#,
            ),
            ("lib.js", "export const a = 1;"),
            ("index.js", "export default {}"),
        ])
        .unwrap();
        assert_eq!(project.name.as_deref(), Some("shop"));
        assert_eq!(project.modules[0].name, "index.js");
        assert_eq!(project.metadata["limits"], json!({"cpu_ms": 50}));
        let bindings = project.metadata["bindings"].as_array().unwrap();
        assert!(bindings.contains(&json!({"type": "plain_text", "name": "GREETING", "text": "hello"})));
        assert!(bindings.contains(&json!({"type": "json", "name": "LIMITS", "json": {"a": 1}})));
        assert!(bindings.contains(&json!({"type": "vpc_network", "name": "NET", "network_id": "cf1:network"})));
    }

    #[test]
    fn nothing_in_the_configuration_is_silently_ignored() {
        let files = [("wrangler.jsonc", r#"{"name": "a", "main": "i.js", "kv_namespaces": []}"#), ("i.js", "")];
        assert!(Project::from_files(&files).unwrap_err().to_string().contains("kv_namespaces"));
    }

    #[test]
    fn private_bindings_are_checked_before_anything_is_sent() {
        for (list, said) in [
            (r#""vpc_services": {}"#, "\"vpc_services\" should be an array"),
            (r#""vpc_services": ["x"]"#, "should be objects, but got \"x\""),
            (r#""vpc_services": [{}]"#, "a string \"binding\" field"),
            (r#""vpc_services": [{"binding": "A"}]"#, "must have a \"service_id\" field but got"),
            (r#""vpc_services": [{"binding": "A", "service_id": 1}]"#, "must have a \"service_id\" field but got"),
            (r#""vpc_services": [{"binding": "A", "service_id": "x", "port": 1}]"#, "unexpected field \"port\""),
            (r#""vpc_networks": [{"binding": "A"}]"#, "either a \"tunnel_id\" or \"network_id\" field but got"),
            (r#""vpc_networks": [{"binding": "A", "tunnel_id": "x", "network_id": "y"}]"#, "but not both."),
        ] {
            let configuration = format!(r#"{{"name": "a", "main": "i.js", {list}}}"#);
            let error = Project::from_files(&[("wrangler.jsonc", &configuration), ("i.js", "")]).unwrap_err();
            assert!(error.to_string().contains(said), "{list}: {error}");
        }
    }

    #[test]
    fn the_boundary_is_in_no_module() {
        let module = "// ----culvert-upload\nexport default {}";
        let files = [("wrangler.jsonc", r#"{"name": "a", "main": "i.js"}"#), ("i.js", module)];
        let (content_type, bytes) = Project::from_files(&files).unwrap().multipart();
        let boundary = content_type.split("boundary=").nth(1).unwrap();
        assert!(!module.contains(boundary));
        assert!(String::from_utf8(bytes).unwrap().ends_with(&format!("--{boundary}--\r\n")));
    }
}
