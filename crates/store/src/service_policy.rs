//! What a VPC Service allows and how long it is waited for, as far as its maker said something: what is absent has its default.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Timeouts and limits of a VPC Service. Durations are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServicePolicy {
    /// How long an address may take to accept a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u32>,
    /// How long resolving the name may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_timeout_ms: Option<u32>,
    /// How long the TLS handshake may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_timeout_ms: Option<u32>,
    /// How long nothing may be received while an answer is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_timeout_ms: Option<u32>,
    /// How long nothing can be written while something has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_timeout_ms: Option<u32>,
    /// How long a connection is kept for the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u32>,
    /// Concurrent connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// New connections per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_connections_per_second: Option<u32>,
    /// When the service is left alone for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Methods that are forwarded; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_methods: Vec<String>,
    /// Beginnings of paths that are forwarded; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_path_prefixes: Vec<String>,
    /// Certificate authorities that are trusted besides the public ones: identifiers of a [`crate::Certificate`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_roots: Vec<Uuid>,
}

/// When a service is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether it ever is.
    pub enabled: bool,
    /// Consecutive failures that open it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failures: Option<u32>,
    /// While it is open, one attempt is let through this often.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trial_every_ms: Option<u32>,
}
