//! What a service allows and how long it is waited for. Values only; who decides by them is elsewhere.

use std::time::Duration;

use http::Method;

/// Timeouts and limits of one service. Every field has the default of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long an address may take to accept the connection: 5 s. Each address of a service has this long of its own.
    pub connect_timeout: Duration,
    /// How long resolving a name may take, all tries together: 5 s.
    pub dns_timeout: Duration,
    /// How often a resolver that does not answer is asked; each try has an equal share of `dns_timeout`: 2.
    pub dns_tries: u32,
    /// How long the TLS handshake may take: 10 s.
    pub tls_timeout: Duration,
    /// How long nothing may be received while an answer is awaited, head and body alike: 60 s.
    pub read_timeout: Duration,
    /// How long nothing can be written while something has to be: 30 s.
    pub write_timeout: Duration,
    /// Concurrent connections, idle ones included: 512.
    pub max_connections: usize,
    /// New connections per second; none by default.
    pub max_new_connections_per_second: Option<u32>,
    /// When to stop trying; `None` switches the breaker off.
    pub breaker: Option<BreakerPolicy>,
    /// How long a connection is kept for the next request: 55 s, below the 60 s and 75 s at which common servers close.
    pub idle_timeout: Duration,
    /// Methods that are forwarded; all when empty.
    pub allowed_methods: Vec<Method>,
    /// Beginnings of paths that are forwarded; all when empty. `/api` covers `/api` and `/api/x`, not `/apiary`, and no path in which a
    /// server could find a way up (`/api/..%2fadmin`).
    pub allowed_path_prefixes: Vec<String>,
}

/// When a service is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Consecutive failures that open it: 8.
    pub failures: u32,
    /// While open, one attempt is let through this often: 5 s.
    pub trial_every: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { failures: 8, trial_every: Duration::from_secs(5) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            dns_timeout: Duration::from_secs(5),
            dns_tries: 2,
            tls_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            max_connections: 512,
            max_new_connections_per_second: None,
            breaker: Some(BreakerPolicy::default()),
            idle_timeout: Duration::from_secs(55),
            allowed_methods: Vec::new(),
            allowed_path_prefixes: Vec::new(),
        }
    }
}

impl Policy {
    /// Whether `path` lies under one of the allowed prefixes, whole segments counted.
    pub(crate) fn allows_path(&self, path: &str) -> bool {
        self.allowed_path_prefixes.is_empty()
            || !leads_up(path)
                && self.allowed_path_prefixes.iter().any(|prefix| {
                    path.strip_prefix(prefix.trim_end_matches('/'))
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
    }
}

/// How often servers behind one another may decode a path.
const MAX_DECODINGS: usize = 3;

/// Whether some server would find a segment `..` in a path: one that decodes `%2f` before it looks for segments, that takes `\\` for `/`, or that
/// drops what follows a `;`.
fn leads_up(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..=MAX_DECODINGS {
        let is_up = |segment: &[u8]| matches!(segment.split(|byte| *byte == b';').next(), Some(name) if name.trim_ascii() == b"..");
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(is_up) {
            return true;
        }
        let decoded = percent_encoding::percent_decode(&path).collect::<Vec<u8>>();
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    // Encoded more often than anything honest is.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_whole_segments() {
        let policy = Policy { allowed_path_prefixes: vec!["/api".to_owned(), "/v2/".to_owned()], ..Policy::default() };
        for path in ["/api", "/api/", "/api/x", "/v2", "/v2/x"] {
            assert!(policy.allows_path(path), "{path}");
        }
        for path in ["/", "/apiary", "/v20", "/x/api"] {
            assert!(!policy.allows_path(path), "{path}");
        }
        assert!(Policy::default().allows_path("/anything"));
    }

    #[test]
    fn no_prefix_covers_a_way_up() {
        let policy = Policy { allowed_path_prefixes: vec!["/api".to_owned()], ..Policy::default() };
        for path in [
            "/api/..%2fadmin",
            "/api/..%5cadmin",
            "/api/..;/admin",
            "/api/%2e%2e;x=1/admin",
            "/api/..%252fadmin",
            "/api/%252e%252e%252fadmin",
            "/api/x%2f..%2f..%2fadmin",
            "/api/%25252525252fx",
        ] {
            assert!(!policy.allows_path(path), "{path}");
        }
        for path in ["/api/..x", "/api/a..b/c", "/api/a%2fb", "/api/100%25", "/api/%", "/api/...", "/api/x;v=.."] {
            assert!(policy.allows_path(path), "{path}");
        }
        assert!(Policy::default().allows_path("/api/..%2fadmin"));
    }
}
