//! The tunnels that connectors may serve: those that the store has.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tunnel::edge::{Refusal, TunnelDirectory, TunnelGrant};
use tunnel::{BoxFuture, Uuid};

use super::serving::Current;

/// Checks registrations against what is served now.
pub struct StoredTunnels {
    current: Current,
}

impl StoredTunnels {
    /// The tunnels of `current`.
    pub fn new(current: Current) -> Self {
        Self { current }
    }

    fn check(&self, account: &str, tunnel: Uuid, secret: &[u8]) -> Result<TunnelGrant, Refusal> {
        let serving = self.current.load();
        let served = serving.snapshot.tunnels.get(&tunnel).ok_or(Refusal::UnknownTunnel)?;
        if !serving.snapshot.account.is_named(account) {
            return Err(Refusal::WrongAccount);
        }
        verify_slices_are_equal(served.secret.expose(), secret).map_err(|_| Refusal::WrongSecret)?;
        Ok(TunnelGrant {
            name: served.tunnel.name.clone(),
            remotely_managed: served.tunnel.config_src == store::ConfigSource::Remote,
        })
    }
}

impl TunnelDirectory for StoredTunnels {
    fn authenticate(&self, account: &str, tunnel: Uuid, secret: &[u8]) -> BoxFuture<'_, Result<TunnelGrant, Refusal>> {
        let checked = self.check(account, tunnel, secret);
        Box::pin(async move { checked })
    }

    fn configuration(&self, tunnel: Uuid) -> Option<(i32, String)> {
        let serving = self.current.load();
        let configuration = serving.snapshot.tunnels.get(&tunnel)?.configuration.as_ref()?;
        Some((configuration.version, configuration.config.to_string()))
    }
}
