//! The settings that the edge gives a connector (updateConfiguration), as far as they concern private traffic.

use serde::Deserialize;
use std::time::Duration;
use tunnel_proto::rpc::ConfigurationUpdate;

/// How long a dial may take where the configuration says nothing, as in cloudflared.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// TCP keep-alive towards the private service where the configuration says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Settings of private traffic, and the version they came with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Routing {
    version: i32,
    pub(crate) connect_timeout: Duration,
    pub(crate) keep_alive: Duration,
    /// 0: without limit.
    pub(crate) max_active_flows: u64,
}

impl Default for Routing {
    fn default() -> Self {
        Self { version: -1, connect_timeout: CONNECT_TIMEOUT, keep_alive: KEEP_ALIVE, max_active_flows: 0 }
    }
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "warp-routing", default)]
    routing: WarpRouting,
}

/// Times are whole seconds.
#[derive(Default, Deserialize)]
struct WarpRouting {
    #[serde(rename = "connectTimeout")]
    connect_timeout: Option<u64>,
    #[serde(rename = "tcpKeepAlive")]
    keep_alive: Option<u64>,
    #[serde(rename = "maxActiveFlows")]
    max_active_flows: Option<u64>,
}

impl Routing {
    /// Takes a configuration when its version is above the one in force. Ingress rules are not this connector's business.
    pub(crate) fn update(&mut self, version: i32, json: &[u8]) -> ConfigurationUpdate {
        let mut error = String::new();
        if version > self.version {
            match serde_json::from_slice::<Configuration>(json) {
                Ok(Configuration { routing }) => {
                    *self = Self {
                        version,
                        connect_timeout: routing.connect_timeout.map_or(CONNECT_TIMEOUT, Duration::from_secs),
                        keep_alive: routing.keep_alive.map_or(KEEP_ALIVE, Duration::from_secs),
                        max_active_flows: routing.max_active_flows.unwrap_or(0),
                    };
                }
                Err(wrong) => error = wrong.to_string(),
            }
        }
        ConfigurationUpdate { latest_applied_version: self.version, error }
    }
}

impl Routing {
    /// What is said of a configuration that cannot be read at all.
    pub(crate) fn refuse(&self, error: String) -> ConfigurationUpdate {
        ConfigurationUpdate { latest_applied_version: self.version, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_and_valid_configurations_are_taken() {
        let mut routing = Routing::default();
        let update = routing.update(0, br#"{"ingress":[],"warp-routing":{"connectTimeout":2,"maxActiveFlows":7}}"#);
        assert_eq!(update, ConfigurationUpdate { latest_applied_version: 0, error: String::new() });
        assert_eq!((routing.connect_timeout, routing.max_active_flows), (Duration::from_secs(2), 7));
        assert_eq!(routing.keep_alive, KEEP_ALIVE);
        // The same version again changes nothing, even when it says something else.
        assert_eq!(routing.update(0, b"{}").latest_applied_version, 0);
        assert_eq!(routing.max_active_flows, 7);
        let bad = routing.update(1, b"{bad");
        assert_eq!(bad.latest_applied_version, 0);
        assert!(!bad.error.is_empty());
        assert_eq!(routing.update(3, b"{}").latest_applied_version, 3);
        assert_eq!(routing.max_active_flows, 0);
    }
}
