//! `culvert deploy`

use serde_json::{Value, json};

use crate::api_client::{ApiClient, Payload};
use crate::cli::{self, Call};
use crate::failure::Failure;
use crate::output::{print_json, say, text};
use crate::project::Project;

/// Uploads the directory's Worker and makes it the one that serves.
pub async fn run(Call { what: arguments, api }: Call<cli::Deploy>) -> Result<(), Failure> {
    let mut project = Project::read(&arguments.directory)?;
    for (binding, service) in &arguments.vpc_service {
        project.bind_vpc_service(binding, &service.to_string());
    }
    let annotations: serde_json::Map<String, Value> =
        [("workers/message", &arguments.message), ("workers/tag", &arguments.tag)]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))))
            .collect();
    if !annotations.is_empty() {
        project.metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let name = arguments.name.or_else(|| project.name.clone()).ok_or_else(|| {
        Failure::usage("the configuration gives the Worker no `name`; write one there, or give --name NAME")
    })?;
    let deployed = upload(&ApiClient::new(&api)?, &name, &project).await?;
    if api.json {
        print_json(&deployed);
        return Ok(());
    }
    say!("Deployed {name}, version {}", text(&deployed, "/deployment_id"));
    say!("  modules       {}", project.modules.len());
    say!("  startup time  {} ms", deployed.get("startup_time_ms").and_then(Value::as_u64).unwrap_or_default());
    if let Some(url) = deployed.get("url").and_then(Value::as_str) {
        say!("  address       {url}");
    }
    Ok(())
}

/// Uploads a project under a name; the answer is the API's.
pub async fn upload(api: &ApiClient, name: &str, project: &Project) -> Result<Value, Failure> {
    let (content_type, bytes) = project.multipart();
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(valid) {
        return Err(Failure::usage(format!("`{name}` is not a name for a Worker: letters, digits, `-` and `_` are")));
    }
    api.put(&format!("/workers/scripts/{name}"), Payload::new(content_type, bytes)).await
}
