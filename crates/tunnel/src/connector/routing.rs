//! The settings that the edge gives a connector (updateConfiguration): of private traffic, and ingress rules.

use super::published::Published;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tunnel_proto::rpc::ConfigurationUpdate;

use super::ingress::{self, RequestConfiguration, RuleConfiguration};

/// How long a dial may take where the configuration says nothing, as in cloudflared.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// TCP keep-alive towards the private service where the configuration says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The settings in force, and the version they came with.
#[derive(Debug)]
pub(crate) struct Routing {
    version: i32,
    pub(crate) connect_timeout: Duration,
    pub(crate) keep_alive: Duration,
    /// 0: without limit.
    pub(crate) max_active_flows: u64,
    /// Who answers published requests.
    pub(crate) published: Arc<Published>,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            version: -1,
            connect_timeout: CONNECT_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            max_active_flows: 0,
            published: Arc::default(),
        }
    }
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    ingress: Option<Vec<RuleConfiguration>>,
    #[serde(rename = "originRequest", default)]
    request: Option<RequestConfiguration>,
    #[serde(rename = "warp-routing", default)]
    routing: Option<WarpRouting>,
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
    /// Takes a configuration when its version is above the one in force.
    pub(crate) fn update(&mut self, version: i32, json: &[u8]) -> ConfigurationUpdate {
        if version <= self.version {
            return self.answer(String::new());
        }
        match Self::parse(version, json) {
            Ok(routing) => *self = routing,
            Err(reason) => return self.answer(reason),
        }
        self.answer(String::new())
    }

    fn parse(version: i32, json: &[u8]) -> Result<Self, String> {
        let configuration: Configuration = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let defaults = configuration.request.unwrap_or_default();
        let rules = ingress::parse(configuration.ingress.unwrap_or_default(), &defaults);
        let routing = configuration.routing.unwrap_or_default();
        Ok(Self {
            version,
            connect_timeout: routing.connect_timeout.map_or(CONNECT_TIMEOUT, Duration::from_secs),
            keep_alive: routing.keep_alive.map_or(KEEP_ALIVE, Duration::from_secs),
            max_active_flows: routing.max_active_flows.unwrap_or(0),
            published: Arc::new(Published::new(rules.map_err(|error| error.to_string())?)),
        })
    }

    fn answer(&self, error: String) -> ConfigurationUpdate {
        ConfigurationUpdate { latest_applied_version: self.version, error }
    }

    /// What is said of a configuration that cannot be read at all.
    pub(crate) fn refuse(&self, error: String) -> ConfigurationUpdate {
        self.answer(error)
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
        for bad in [b"{bad".as_slice(), br#"{"ingress":[{"hostname":"a","service":"http_status:404"}]}"#] {
            let update = routing.update(1, bad);
            assert_eq!(update.latest_applied_version, 0);
            assert!(!update.error.is_empty());
        }
        assert_eq!(routing.update(3, b"{}").latest_applied_version, 3);
        assert_eq!(routing.max_active_flows, 0);
    }
}
