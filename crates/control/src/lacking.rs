//! Products of Cloudflare that Culvert does not have, by where their API is. Clients that set one up before they deploy a
//! Worker (wrangler makes queues, databases and namespaces so) are told by its name.

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
    ("storage/kv", "KV namespaces are"),
    ("stream", "Stream is"),
    ("vectorize", "Vectorize indexes are"),
    ("workers/assets", "Static assets are"),
    ("workers/dispatch", "Dispatch namespaces are"),
    ("workers/durable_objects", "Durable Objects are"),
    ("workflows", "Workflows are"),
];

/// That the product at this path is not available; `None` where there is no such product.
pub(crate) fn at(path: &str) -> Option<String> {
    let (_, below) = path.strip_prefix(PREFIX)?.strip_prefix("/accounts/")?.split_once('/')?;
    let (_, words) = PRODUCTS.iter().find(|(product, _)| {
        below.strip_prefix(product).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    Some(format!("{words} not available in Culvert. Remove what needs it from the configuration."))
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
            assert_eq!(at(path).is_some(), known, "{path}");
        }
    }
}
