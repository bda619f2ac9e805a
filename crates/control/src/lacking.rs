//! Products of Cloudflare that Culvert does not have, by where their API is. Clients that set one up before they deploy a
//! Worker (wrangler makes queues, databases and namespaces so) are told by its name.

use http::Uri;

use crate::PREFIX;

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

/// That the product at this address is not available; `None` where there is no such product.
pub(crate) fn at(uri: &Uri) -> Option<String> {
    let (_, below) = uri.path().strip_prefix(PREFIX)?.strip_prefix("/accounts/")?.split_once('/')?;
    let (product, words) = PRODUCTS.iter().find(|(product, _)| {
        below.strip_prefix(product).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    let what = wanted(product, below, uri.query().unwrap_or_default())
        .map_or_else(|| "what needs it".to_owned(), |wanted| format!("the binding to the {wanted}"));
    Some(format!("{words} not available in Culvert. Remove {what} from the configuration."))
}

/// What wrangler looks for before it uploads a Worker that is bound to it: the binding's own name is not in its question.
fn wanted(product: &str, below: &str, query: &str) -> Option<String> {
    let (what, name) = match product {
        "r2" => ("bucket", below.strip_prefix("r2/buckets/")?.split('/').next()?),
        "queues" => ("queue", query.split('&').find_map(|pair| pair.strip_prefix("name="))?),
        _ => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!name.is_empty() && name.bytes().all(plain)).then(|| format!("{what} \"{name}\""))
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
            ("/client/v4/accounts/local/r2/buckets/a%22b", "what needs it"),
            ("/client/v4/accounts/local/queues", "what needs it"),
        ] {
            let told = at(&Uri::from_static(path)).unwrap_or_default();
            assert!(told.contains(named), "{path}: {told}");
        }
    }
}
