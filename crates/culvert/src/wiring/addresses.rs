//! Which Worker serves an address: its own name below `.localhost`, its custom domains, its routes.

use std::collections::HashMap;

use store::Snapshot;

/// The suffix under which every Worker is served by its name (RFC 6761: always this machine).
const OWN_NAME_SUFFIX: &str = ".localhost";

/// The addresses of all Workers, at one moment.
#[derive(Debug, Default)]
pub struct Addresses {
    by_own_name: HashMap<String, String>,
    by_domain: HashMap<String, String>,
    routes: Vec<RoutePattern>,
}

/// A pattern such as `app.example.test/api/*` or `*.example.test/*`, as Cloudflare's routes are.
#[derive(Debug, PartialEq, Eq)]
struct RoutePattern {
    /// The host, or what it must end with.
    host: String,
    any_subdomain: bool,
    /// The path, or what it must begin with.
    path: String,
    any_rest: bool,
    worker: String,
}

impl RoutePattern {
    fn parse(pattern: &str, worker: &str) -> Self {
        let pattern = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
        let (host, path) = match pattern.find('/') {
            Some(slash) => pattern.split_at(slash),
            None => (pattern, "/"),
        };
        let (any_subdomain, host) = match host.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, host),
        };
        let (any_rest, path) = match path.strip_suffix('*') {
            Some(rest) => (true, rest),
            None => (false, path),
        };
        Self {
            host: host.to_ascii_lowercase(),
            any_subdomain,
            path: path.to_owned(),
            any_rest,
            worker: worker.to_owned(),
        }
    }

    fn fits(&self, host: &str, path: &str) -> bool {
        let host_fits = if self.any_subdomain { host.ends_with(&self.host) } else { host == self.host };
        host_fits && if self.any_rest { path.starts_with(&self.path) } else { path == self.path }
    }

    /// Longer is more specific; an exact host before a wildcard.
    fn specificity(&self) -> (bool, usize, usize, bool) {
        (!self.any_subdomain, self.host.len(), self.path.len(), !self.any_rest)
    }
}

impl Addresses {
    /// The addresses that a configuration gives.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut addresses = Self::default();
        for (name, served) in &snapshot.workers {
            if served.worker.settings.subdomain_enabled {
                addresses.by_own_name.insert(name.to_ascii_lowercase(), name.clone());
            }
            for domain in &served.triggers.domains {
                addresses.by_domain.insert(domain.hostname.clone(), name.clone());
            }
            addresses
                .routes
                .extend(served.triggers.routes.iter().map(|route| RoutePattern::parse(&route.pattern, name)));
        }
        addresses.routes.sort_by_key(|route| std::cmp::Reverse(route.specificity()));
        addresses
    }

    /// The Worker at a host (lower case, without port) and path. A route goes before a domain, and the most specific
    /// route before others.
    pub fn worker_at(&self, host: &str, path: &str) -> Option<&str> {
        let by_route = || self.routes.iter().find(|route| route.fits(host, path)).map(|route| &route.worker);
        let by_name = || self.by_own_name.get(host.strip_suffix(OWN_NAME_SUFFIX)?);
        by_route().or_else(|| self.by_domain.get(host)).or_else(by_name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(patterns: &[(&str, &str)]) -> Addresses {
        let mut routes: Vec<_> =
            patterns.iter().map(|(pattern, worker)| RoutePattern::parse(pattern, worker)).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.specificity()));
        Addresses { routes, ..Addresses::default() }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let addresses = routes(&[
            ("*.example.test/*", "all"),
            ("app.example.test/*", "app"),
            ("app.example.test/api/*", "api"),
            ("https://exact.example.test/only", "exact"),
        ]);
        assert_eq!(addresses.worker_at("x.example.test", "/"), Some("all"));
        assert_eq!(addresses.worker_at("app.example.test", "/x"), Some("app"));
        assert_eq!(addresses.worker_at("app.example.test", "/api/x"), Some("api"));
        assert_eq!(addresses.worker_at("exact.example.test", "/only"), Some("exact"));
        assert_eq!(addresses.worker_at("exact.example.test", "/only/more"), Some("all"));
        assert_eq!(addresses.worker_at("example.test", "/"), None);
    }

    #[test]
    fn a_worker_is_found_by_its_own_name() {
        let by_own_name = HashMap::from([("shop".to_owned(), "Shop".to_owned())]);
        let addresses = Addresses { by_own_name, ..Addresses::default() };
        assert_eq!(addresses.worker_at("shop.localhost", "/"), Some("Shop"));
        for host in ["localhost", ".localhost", "a.shop.localhost", "shop.example.test"] {
            assert_eq!(addresses.worker_at(host, "/"), None, "{host}");
        }
    }
}
