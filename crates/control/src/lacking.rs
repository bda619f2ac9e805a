//! Products of Cloudflare that Culvert does not have, by where their API is. Clients that set one up before they deploy a
//! Worker (wrangler makes queues, databases and namespaces so) are told by its name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use http::Uri;
use uuid::Uuid;

use crate::auth::Caller;
use crate::codes::{self, Code};
use crate::envelope::ApiError;
use crate::request::JsonBody;
use crate::{ControlState, PREFIX};

/// What comes after the account in the path, and what it is.
const PRODUCTS: &[(&str, &str)] = &[
    ("ai", "Workers AI is"),
    ("browser-rendering", "Browser Rendering is"),
    ("containers", "Containers are"),
    ("d1", "D1 databases are"),
    ("dispatch", "Dispatch namespaces are"),
    ("hyperdrive", "Hyperdrive is"),
    ("images", "Images are"),
    ("pages", "Pages is"),
    ("pipelines", "Pipelines are"),
    ("queues", "Queues are"),
    ("r2", "R2 buckets are"),
    ("secrets_store", "The Secrets Store is"),
    // Listing and making them are operations, because wrangler asks for a list of them after a deletion.
    ("storage/kv", "KV namespaces are"),
    ("stream", "Stream is"),
    ("vectorize", "Vectorize indexes are"),
    ("workers/assets", "Static assets are"),
    ("workers/dispatch", "Dispatch namespaces are"),
    ("workers/durable_objects", "Durable Objects are"),
    ("workflows", "Workflows are"),
];

/// How it is refused: as something that the caller may not do. wrangler then leaves making it to the upload, which knows the
/// binding's name and is refused by it.
const REFUSED: Code = Code { status: 403, ..codes::VALIDATION };

/// The refusal of what is at this address; `None` where there is no such product.
pub(crate) fn at(uri: &Uri) -> Option<ApiError> {
    let (_, below) = uri.path().strip_prefix(PREFIX)?.strip_prefix("/accounts/")?.split_once('/')?;
    let (product, words) = PRODUCTS.iter().find(|(product, _)| {
        below.strip_prefix(product).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    let what = wanted(product, below, uri.query().unwrap_or_default())
        .map_or_else(|| "the binding that needs it".to_owned(), |wanted| format!("the binding to the {wanted}"));
    let message = format!("{words} not available in Culvert. Remove {what} from the configuration.");
    let code = match *product {
        // wrangler asks for workflows by name before it uploads; that there is none, it takes for an answer and goes on.
        "workflows" if below.contains('/') => codes::WORKFLOW_NOT_FOUND,
        // A binding to a database that has a name and no identifier it does not upload.
        "d1" if below.starts_with("d1/database/") => codes::VALIDATION,
        _ => REFUSED,
    };
    Some(ApiError::new(code, message))
}

/// What is looked for by its own name.
fn wanted(product: &str, below: &str, query: &str) -> Option<String> {
    let named = |prefix: &str| below.strip_prefix(prefix)?.split('/').next();
    let (what, name) = match product {
        "r2" => ("bucket", named("r2/buckets/")?),
        "d1" => ("database", named("d1/database/")?),
        "workflows" => ("workflow", named("workflows/")?),
        "workers/dispatch" => ("dispatch namespace", named("workers/dispatch/namespaces/")?),
        "queues" => ("queue", query.split('&').find_map(|pair| pair.strip_prefix("name="))?),
        _ => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!name.is_empty() && name.bytes().all(plain)).then(|| format!("{what} \"{name}\""))
}

/// The Worker whose settings each caller read last, by the identifier of its token. wrangler reads them before it makes what
/// the bindings have no identifier for, under names that it puts together of the Worker's and the binding's.
#[derive(Debug, Default)]
pub(crate) struct Deploying(Mutex<HashMap<Uuid, String>>);

/// Callers that are remembered at most.
const CALLERS: usize = 1_000;

impl Deploying {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Uuid, String>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn note(&self, token: Uuid, worker: &str) {
        self.with(|workers| {
            if workers.len() >= CALLERS && !workers.contains_key(&token) {
                workers.clear();
            }
            workers.insert(token, worker.to_owned());
        });
    }

    /// The binding for which wrangler makes something of this name, as such names are written.
    fn binding(&self, token: Uuid, made: &str) -> Option<String> {
        let of_binding = self.with(|workers| {
            let rest = made.strip_prefix(workers.get(&token)?.as_str())?.strip_prefix('-')?;
            Some(rest.to_owned())
        })?;
        (!of_binding.is_empty()).then(|| of_binding.to_ascii_uppercase().replace('-', "_"))
    }
}

/// `POST …/storage/kv/namespaces`: what wrangler makes for a binding without a namespace, before it uploads.
pub(crate) async fn refuse_kv_namespace(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> ApiError {
    let title = body.get("title").and_then(serde_json::Value::as_str).unwrap_or_default();
    let binding = state.deploying().binding(caller.token.id, title);
    let message = match binding {
        Some(binding) => format!(
            "Binding \"{binding}\" is a KV namespace (to be made as \"{title}\"), which is not available in Culvert. Remove it from the configuration."
        ),
        None => format!(
            "KV namespaces are not available in Culvert. Remove the binding to the namespace \"{title}\" from the configuration."
        ),
    };
    ApiError::new(codes::VALIDATION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_known_by_their_path() {
        for (path, known) in [
            ("/client/v4/accounts/local/queues", true),
            ("/client/v4/accounts/local/storage/kv/namespaces/x", true),
            ("/client/v4/accounts/local/queuesx", false),
            ("/client/v4/accounts/local", false),
            ("/client/v4/queues", false),
            ("/accounts/local/queues", false),
        ] {
            assert_eq!(at(&Uri::from_static(path)).is_some(), known, "{path}");
        }
    }

    #[test]
    fn what_is_looked_for_is_named() {
        for (path, named) in [
            ("/client/v4/accounts/local/r2/buckets/files", "binding to the bucket \"files\""),
            ("/client/v4/accounts/local/queues?page=1&name=jobs", "binding to the queue \"jobs\""),
            ("/client/v4/accounts/local/d1/database/shop", "binding to the database \"shop\""),
            ("/client/v4/accounts/local/workflows/flow", "binding to the workflow \"flow\""),
            ("/client/v4/accounts/local/workers/dispatch/namespaces/ns", "dispatch namespace \"ns\""),
            ("/client/v4/accounts/local/r2/buckets/a%22b", "binding that needs it"),
            ("/client/v4/accounts/local/queues", "binding that needs it"),
        ] {
            let told = at(&Uri::from_static(path)).map(|refusal| refusal.message().to_owned()).unwrap_or_default();
            assert!(told.contains(named), "{path}: {told}");
        }
    }

    #[test]
    fn what_wrangler_makes_is_known_by_its_binding() {
        let (deploying, token) = (Deploying::default(), Uuid::new_v4());
        assert_eq!(deploying.binding(token, "my-shop-page-cache"), None);
        deploying.note(token, "my-shop");
        assert_eq!(deploying.binding(token, "my-shop-page-cache").as_deref(), Some("PAGE_CACHE"));
        for other in ["my-shop", "my-shop-", "other-cache", "my-shopcache"] {
            assert_eq!(deploying.binding(token, other), None, "{other}");
        }
        assert_eq!(deploying.binding(Uuid::new_v4(), "my-shop-page-cache"), None);
    }
}
