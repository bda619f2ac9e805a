//! What stands behind the virtual resolver: the resolvers of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where a resolver is expected when nothing says where it is.
const FALLBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// The resolver for one flow: one of `configured` by chance, or the first of `/etc/resolv.conf`, which is read again each
/// time, as it changes when a machine moves.
pub(crate) async fn pick(configured: &[SocketAddr]) -> SocketAddr {
    if let Some(resolver) = configured.get(fastrand::usize(..configured.len().max(1))) {
        return *resolver;
    }
    let text = tokio::fs::read_to_string(RESOLV_CONF).await.unwrap_or_default();
    nameservers(&text).next().unwrap_or(FALLBACK)
}

/// The `nameserver` lines of a resolv.conf(5).
fn nameservers(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        // A zone (`fe80::1%eth0`) cannot be used in an address here.
        Some(SocketAddr::new(address.parse().ok()?, 53))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn resolv_conf_is_read() {
        let text = "# nameserver 9.9.9.9\nsearch lan\nnameserver 10.0.0.53\n  nameserver fd00::53\nnameserver fe80::1%eth0\nnameserver\n";
        let expected: Vec<SocketAddr> = vec!["10.0.0.53:53".parse().unwrap(), "[fd00::53]:53".parse().unwrap()];
        assert_eq!(nameservers(text).collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn configured_resolvers_come_first() {
        let configured = ["127.0.0.1:5353".parse().unwrap()];
        assert_eq!(pick(&configured).await, configured[0]);
    }
}
