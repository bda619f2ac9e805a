//! Workers over the API: uploads, versions, deployments, secrets, settings and triggers.

mod bindings;
mod compatibility;
mod deployments;
mod metadata;
mod publish;
mod read;
mod secrets;
mod settings;
mod triggers;
mod upload;
mod versions;
mod worker_versions;
mod workers;
mod zones;

use serde_json::{Value, json};
use store::{Deployment, Permission, Version};

use crate::api::{Api, Body, delete, get, patch, post, put};
use crate::auth::Access;
use crate::codes;
use crate::envelope::ApiError;
use crate::lacking;
use crate::query::{FORCE, PAGE};
use crate::request::rfc3339;

const READ: Access = Access::Needs(Permission::WorkersScriptsRead);
const EDIT: Access = Access::Needs(Permission::WorkersScriptsEdit);

/// The most characters in a Worker's name: it is a label of a host name.
const MAX_NAME: usize = 63;

/// Errs unless a Worker may be made under this name.
fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if name.is_empty()
        || name.len() > MAX_NAME
        || !name.bytes().all(allowed)
        || name.starts_with('-')
        || name.ends_with('-')
    {
        return Err(ApiError::new(
            codes::BAD_WORKER_NAME,
            format!(
                "\"{name}\" cannot be the name of a Worker: it must have 1 to {MAX_NAME} lower-case letters, digits, dashes and underscores, and neither begin nor end with a dash."
            ),
        ));
    }
    Ok(())
}

/// An e-mail address for those who expect one; Culvert knows tokens by name.
pub(crate) fn email(author: &str) -> String {
    let local: String =
        author.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    format!("{local}@localhost")
}

fn version_view(version: &Version) -> Value {
    let detail = &version.detail;
    let mut script = json!({
        "etag": version.etag,
        "handlers": detail.handlers,
        "last_deployed_from": detail.source,
    });
    if let (Some(placement), Some(script)) = (detail.extra.get("placement"), script.as_object_mut()) {
        script.insert("placement".to_owned(), placement.clone());
        if let Some(mode) = placement.get("mode") {
            script.insert("placement_mode".to_owned(), mode.clone());
        }
    }
    let mut runtime = json!({
        "compatibility_flags": detail.compatibility_flags,
        "usage_model": "standard",
        "limits": detail.limits,
    });
    if let (Some(date), Some(runtime)) = (&detail.compatibility_date, runtime.as_object_mut()) {
        runtime.insert("compatibility_date".to_owned(), date.clone().into());
    }
    json!({
        "id": version.id,
        "number": version.number,
        "metadata": {
            "created_on": rfc3339(version.created_on),
            "modified_on": rfc3339(version.created_on),
            "source": detail.source,
            "author_id": detail.author,
            "author_email": email(&detail.author),
            "hasPreview": false,
        },
        "annotations": detail.annotations,
        "main_module": detail.main_module,
        "startup_time_ms": detail.startup_time_ms,
        "resources": {
            "script": script,
            "script_runtime": runtime,
            "bindings": detail.bindings,
        },
    })
}

fn deployment_view(deployment: &Deployment) -> Value {
    json!({
        "id": deployment.id,
        "created_on": rfc3339(deployment.created_on),
        "source": deployment.detail.source,
        "author_email": email(&deployment.detail.author),
        "strategy": "percentage",
        "annotations": deployment.detail.annotations,
        "versions": deployment.shares.iter().map(|share| json!({
            "version_id": share.version_id,
            "percentage": percent(share.percentage.percent()),
        })).collect::<Vec<_>>(),
    })
}

/// A whole number where it is one: clients print it as it comes.
pub(crate) fn percent(percent: f64) -> Value {
    if percent.fract() == 0.0 {
        // In 0 to 100, and whole.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Value::from(percent as u8)
    } else {
        Value::from(percent)
    }
}

/// The operations on Workers.
pub(crate) fn add(api: Api) -> Api {
    const WORKERS: &str = "/accounts/{account}/workers/workers";
    const WORKER: &str = "/accounts/{account}/workers/workers/{script}";
    const WORKER_VERSIONS: &str = "/accounts/{account}/workers/workers/{script}/versions";
    const WORKER_VERSION: &str = "/accounts/{account}/workers/workers/{script}/versions/{version}";
    const ROUTES: &str = "/zones/{zone}/workers/routes";
    const ROUTE: &str = "/zones/{zone}/workers/routes/{route}";
    api.add(get("/accounts/{account}/workers/scripts", READ, "List Workers").list("Script"), read::list)
        .add(
            get("/accounts/{account}/workers/scripts/{script}", READ, "Download the modules of a Worker")
                .query(&[read::VERSION])
                .modules(),
            read::download,
        )
        .add(
            put(
                "/accounts/{account}/workers/scripts/{script}",
                EDIT,
                Body::Multipart("WorkerUpload"),
                "Upload a Worker and deploy it",
            )
            .one("Uploaded"),
            publish::put_script,
        )
        .add(
            delete("/accounts/{account}/workers/scripts/{script}", EDIT, "Delete a Worker").query(&[FORCE]).nothing(),
            read::remove,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/content/v2", READ, "Download the modules of a version")
                .query(&[read::VERSION])
                .modules(),
            read::download,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/references", READ, "List what refers to a Worker")
                .one("WorkerReferences"),
            read::references,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/versions", READ, "List the versions of a Worker")
                .query(&[PAGE, versions::PER_PAGE])
                .one("Versions"),
            versions::list,
        )
        .add(
            post(
                "/accounts/{account}/workers/scripts/{script}/versions",
                EDIT,
                Body::Multipart("WorkerUpload"),
                "Upload a version without deploying it",
            )
            .one("Version"),
            publish::post_version,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/versions/{version}", READ, "Read a version")
                .one("Version"),
            versions::read,
        )
        .add(
            get(
                "/accounts/{account}/workers/scripts/{script}/deployments",
                READ,
                "List the deployments of a Worker, newest first",
            )
            .one("Deployments"),
            deployments::list,
        )
        .add(
            post(
                "/accounts/{account}/workers/scripts/{script}/deployments",
                EDIT,
                Body::Json("NewDeployment"),
                "Deploy versions of a Worker",
            )
            .query(&[deployments::DESPITE_SECRETS])
            .one("Deployment"),
            deployments::create,
        )
        .add(
            get(
                "/accounts/{account}/workers/scripts/{script}/deployments/{deployment}",
                READ,
                "Read a deployment of a Worker",
            )
            .one("Deployment"),
            deployments::read,
        )
        .add(
            delete(
                "/accounts/{account}/workers/scripts/{script}/deployments/{deployment}",
                EDIT,
                "Delete a deployment that is not in force",
            )
            .nothing(),
            deployments::remove,
        )
        .add(
            get(
                "/accounts/{account}/workers/scripts/{script}/settings",
                READ,
                "Read the settings of the latest version",
            )
            .one("WorkerSettings"),
            settings::read,
        )
        .add(
            patch(
                "/accounts/{account}/workers/scripts/{script}/settings",
                EDIT,
                Body::Multipart("SettingsPatch"),
                "Change settings and bindings by a new version, and deploy it",
            )
            .one("WorkerSettings"),
            settings::change,
        )
        .add(
            get(
                "/accounts/{account}/workers/scripts/{script}/script-settings",
                READ,
                "Read the settings that no version has",
            )
            .one("ScriptSettingsView"),
            settings::read_script,
        )
        .add(
            patch(
                "/accounts/{account}/workers/scripts/{script}/script-settings",
                EDIT,
                Body::Json("ScriptSettings"),
                "Change the settings that no version has",
            )
            .one("ScriptSettingsView"),
            settings::change_script,
        )
        .add(
            get(
                "/accounts/{account}/workers/scripts/{script}/subdomain",
                READ,
                "Read whether a Worker is served under its name",
            )
            .one("SubdomainView"),
            settings::read_subdomain,
        )
        .add(
            post(
                "/accounts/{account}/workers/scripts/{script}/subdomain",
                EDIT,
                Body::Json("Subdomain"),
                "Set whether a Worker is served under its name",
            )
            .one("SubdomainView"),
            settings::change_subdomain,
        )
        .add(
            delete(
                "/accounts/{account}/workers/scripts/{script}/subdomain",
                EDIT,
                "Serve a Worker under its name no more",
            )
            .one("SubdomainView"),
            settings::remove_subdomain,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/secrets", READ, "List the names of a Worker's secrets")
                .list("SecretName"),
            secrets::list,
        )
        .add(
            put(
                "/accounts/{account}/workers/scripts/{script}/secrets",
                EDIT,
                Body::Json("Secret"),
                "Set a secret and deploy it",
            )
            .one("SecretName"),
            secrets::put_one,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/secrets/{secret}", READ, "Read the name of a secret")
                .one("SecretName"),
            secrets::read,
        )
        .add(
            delete(
                "/accounts/{account}/workers/scripts/{script}/secrets/{secret}",
                EDIT,
                "Delete a secret and deploy without it",
            )
            .nothing(),
            secrets::remove,
        )
        .add(
            patch(
                "/accounts/{account}/workers/scripts/{script}/secrets-bulk",
                EDIT,
                Body::Json("SecretsBulk"),
                "Set and delete many secrets in one deployment",
            )
            .list("SecretName"),
            secrets::bulk,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/schedules", READ, "List the cron triggers of a Worker")
                .one("SchedulesView"),
            triggers::schedules,
        )
        .add(
            put(
                "/accounts/{account}/workers/scripts/{script}/schedules",
                EDIT,
                Body::Json("Schedules"),
                "Replace the cron triggers of a Worker",
            )
            .one("SchedulesView"),
            triggers::set_schedules,
        )
        .add(
            get("/accounts/{account}/workers/scripts/{script}/routes", READ, "List the routes of a Worker")
                .list("Route"),
            triggers::routes,
        )
        .add(
            put(
                "/accounts/{account}/workers/scripts/{script}/routes",
                EDIT,
                Body::Json("Routes"),
                "Replace the routes of a Worker",
            )
            .list("Route"),
            triggers::set_routes,
        )
        .add(
            post(
                "/accounts/{account}/workers/scripts/{script}/domains/changeset",
                EDIT,
                Body::Json("DomainChangeset"),
                "Preview a change of custom domains",
            )
            .query(&[triggers::REPLACE_STATE])
            .one("DomainChanges"),
            triggers::domain_changeset,
        )
        .add(
            put(
                "/accounts/{account}/workers/scripts/{script}/domains/records",
                EDIT,
                Body::Json("Domains"),
                "Replace the custom domains of a Worker",
            )
            .list("CustomDomain"),
            triggers::set_domains,
        )
        .add(
            get("/accounts/{account}/workers/domains", READ, "List custom domains")
                .query(&[
                    PAGE,
                    zones::DOMAINS_PER_PAGE,
                    zones::OF_SERVICE,
                    zones::OF_HOSTNAME,
                    zones::OF_ZONE_ID,
                    zones::OF_ZONE_NAME,
                    zones::OF_ENVIRONMENT,
                ])
                .list("CustomDomain"),
            zones::domains,
        )
        .add(
            put(
                "/accounts/{account}/workers/domains",
                EDIT,
                Body::Json("NewCustomDomain"),
                "Give a Worker a custom domain",
            )
            .one("CustomDomain"),
            zones::put_domain,
        )
        .add(
            get("/accounts/{account}/workers/domains/{domain}", READ, "Read a custom domain").one("CustomDomain"),
            zones::domain,
        )
        .add(
            get("/accounts/{account}/workers/domains/records/{domain}", READ, "Read a custom domain as wrangler asks")
                .one("CustomDomain"),
            zones::domain,
        )
        .add(
            delete("/accounts/{account}/workers/domains/{domain}", EDIT, "Take a custom domain from its Worker")
                .nothing(),
            zones::remove_domain,
        )
        .add(
            get(
                "/accounts/{account}/workers/services/{script}",
                READ,
                "Read a Worker as wrangler asks before a deployment",
            )
            .one("WorkerService"),
            read::service,
        )
        .add(
            delete("/accounts/{account}/workers/services/{script}", EDIT, "Delete a Worker as wrangler does")
                .query(&[FORCE])
                .nothing(),
            read::remove,
        )
        .add(
            get(WORKERS, READ, "List Workers as things of their own")
                .query(&[PAGE, workers::PER_PAGE, workers::ORDER_BY, workers::ORDER])
                .list("WorkerView"),
            workers::list,
        )
        .add(
            post(WORKERS, EDIT, Body::Json("NewWorker"), "Make a Worker that has no version yet").one("WorkerView"),
            workers::create,
        )
        .add(get(WORKER, READ, "Read a Worker, by its name or its identifier").one("WorkerView"), workers::read)
        .add(
            put(WORKER, EDIT, Body::Json("WorkerPatch"), "Replace what is set on a Worker").one("WorkerView"),
            workers::replace,
        )
        .add(
            patch(WORKER, EDIT, Body::Json("WorkerPatch"), "Change what is set on a Worker").one("WorkerView"),
            workers::change,
        )
        .add(delete(WORKER, EDIT, "Delete a Worker with its versions").query(&[FORCE]).nothing(), workers::remove)
        .add(
            get(WORKER_VERSIONS, READ, "List the versions of a Worker")
                .query(&[PAGE, worker_versions::PER_PAGE])
                .list("WorkerVersion"),
            worker_versions::list,
        )
        .add(
            post(WORKER_VERSIONS, EDIT, Body::Json("NewWorkerVersion"), "Upload a version as JSON")
                .query(&[worker_versions::DEPLOY])
                .one("WorkerVersion"),
            worker_versions::create,
        )
        .add(
            get(WORKER_VERSION, READ, "Read a version of a Worker")
                .query(&[worker_versions::INCLUDE])
                .one("WorkerVersion"),
            worker_versions::read,
        )
        .add(
            delete(WORKER_VERSION, EDIT, "Delete a version that no deployment names").nothing(),
            worker_versions::remove,
        )
        .add(
            patch(
                "/accounts/{account}/workers/workers/{script}/versions/latest",
                EDIT,
                Body::Json("VersionPatch"),
                "Make a version from the latest one with other secrets",
            )
            .one("Version"),
            secrets::patch_latest,
        )
        .add(
            get("/accounts/{account}/workers/subdomain", READ, "Read the account's subdomain").one("AccountSubdomain"),
            settings::account_subdomain,
        )
        .add(
            get(
                "/accounts/{account}/workers/tails/by-consumer/{script}",
                READ,
                "List the Workers that a tail Worker watches",
            )
            .list("TailProducer"),
            read::tail_producers,
        )
        .add(
            get("/accounts/{account}/workers/durable_objects/namespaces", READ, "List Durable Object namespaces: none")
                .list("Nothing"),
            read::nothing,
        )
        .add(
            get("/accounts/{account}/storage/kv/namespaces", READ, "List KV namespaces: none").list("Nothing"),
            read::nothing,
        )
        .add(
            post(
                "/accounts/{account}/storage/kv/namespaces",
                EDIT,
                Body::Json("KvNamespace"),
                "Refuse a KV namespace, which is not available in Culvert",
            )
            .nothing(),
            lacking::refuse_kv_namespace,
        )
        .add(
            post(
                "/accounts/{account}/workers/scripts/{script}/assets-upload-session",
                EDIT,
                Body::Json("AssetManifest"),
                "Refuse static assets, which are not available in Culvert",
            )
            .nothing(),
            publish::refuse_assets,
        )
        .add(
            get("/zones", READ, "Find the zone of a route: any name is one")
                .query(&[PAGE, zones::ZONES_PER_PAGE, zones::OF_NAME])
                .list("Zone"),
            zones::zones,
        )
        .add(get("/zones/{zone}", READ, "Read a zone").one("Zone"), zones::zone)
        .add(get(ROUTES, READ, "List the routes in a zone").list("Route"), zones::zone_routes)
        .add(post(ROUTES, EDIT, Body::Json("NewRoute"), "Give a Worker a route").one("Route"), zones::create_route)
        .add(get(ROUTE, READ, "Read a route").one("Route"), zones::route)
        .add(put(ROUTE, EDIT, Body::Json("NewRoute"), "Replace a route").one("Route"), zones::replace_route)
        .add(delete(ROUTE, EDIT, "Delete a route").one("Identified"), zones::remove_route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_host_name_labels() {
        for name in ["a", "my-worker", "my_worker", "9", &"a".repeat(63)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "A", "a.b", "-a", "a-", "ä", "a b", &"a".repeat(64)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn percentages_are_whole_where_they_can_be() {
        assert_eq!(percent(100.0).to_string(), "100");
        assert_eq!(percent(33.33).to_string(), "33.33");
    }

    #[test]
    fn token_names_make_addresses() {
        assert_eq!(email("CI token #1"), "ci-token--1@localhost");
    }
}
