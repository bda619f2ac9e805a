//! What a connector says of itself: feature names and version, and what follows from them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A flow to this address goes to the resolver of the connector's own machine, over UDP and TCP.
pub const VIRTUAL_RESOLVER: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0xcf1, 0x2000, 0, 0, 0, 1)), 53);

/// The connector takes updateConfiguration.
pub const ALLOW_REMOTE_CONFIG: &str = "allow_remote_config";
/// HTTP/2: response headers are serialized into one header.
pub const SERIALIZED_HEADERS: &str = "serialized_headers";
/// Datagrams of version 2.
pub const DATAGRAM_V2: &str = "support_datagram_v2";
/// Datagrams of version 3. Listed beside version 2, it means that only version 3 is spoken.
pub const DATAGRAM_V3: &str = "support_datagram_v3_2";
/// The same in releases from before that name; newer ones know it no more.
pub const DATAGRAM_V3_EARLIER: &str = "support_datagram_v3_1";
/// End of stream is told by FIN on QUIC.
pub const QUIC_EOF: &str = "support_quic_eof";
/// Culvert only: a FIN from the edge on a tcp stream closes one direction, as TCP does. cloudflared closes both.
pub const HALF_CLOSE: &str = "culvert_half_close";

/// The most features that are looked at.
pub const MAX_FEATURES: usize = 64;

/// The version of datagrams a connector speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DatagramVersion {
    /// Sessions by RPC.
    V2,
    /// Sessions by datagrams.
    V3,
}

/// A connector's feature names, sorted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Features(Vec<String>);

impl Features {
    /// From the names on the wire, in any order.
    pub fn new<I: IntoIterator<Item = S>, S: Into<String>>(names: I) -> Self {
        let mut names: Vec<String> = names.into_iter().map(Into::into).take(MAX_FEATURES).collect();
        names.sort();
        names.dedup();
        Self(names)
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|feature| feature == name)
    }

    /// All names, sorted.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The one version of datagrams that is spoken, `None` without any.
    pub fn datagram_version(&self) -> Option<DatagramVersion> {
        if self.contains(DATAGRAM_V3) || self.contains(DATAGRAM_V3_EARLIER) {
            Some(DatagramVersion::V3)
        } else if self.contains(DATAGRAM_V2) {
            Some(DatagramVersion::V2)
        } else {
            None
        }
    }
}

/// What a connector's version text tells.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ConnectorVersion {
    /// A release of cloudflared: year, month, patch.
    Release(u32, u32, u32),
    /// `DEV`, Culvert's own connector, or a text of another form: taken for new.
    Unreleased,
}

impl ConnectorVersion {
    /// The first release with the virtual resolver, without which host names cannot be resolved through the tunnel.
    pub const VIRTUAL_RESOLVER: Self = Self::Release(2025, 7, 0);

    /// Reads the version text of ClientInfo.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split(['.', '-', ' ']).map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(year), Some(month), Some(patch)) => Self::Release(year, month, patch),
            _ => Self::Unreleased,
        }
    }

    /// Whether host names can be resolved through this connector's virtual resolver.
    pub fn has_virtual_resolver(self) -> bool {
        self >= Self::VIRTUAL_RESOLVER
    }
}

impl fmt::Display for ConnectorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(year, month, patch) => write!(f, "{year}.{month}.{patch}"),
            Self::Unreleased => f.write_str("unreleased"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_decides_about_the_virtual_resolver() {
        for new in ["2025.7.0", "2025.10.1", "2026.8.2", "2026.8.2-3-gabc", "DEV", "culvert/0.1.0"] {
            assert!(ConnectorVersion::parse(new).has_virtual_resolver(), "{new}");
        }
        for old in ["2025.6.1", "2024.12.2", "2025.6.9-dirty"] {
            assert!(!ConnectorVersion::parse(old).has_virtual_resolver(), "{old}");
        }
    }

    #[test]
    fn listed_version_3_means_only_version_3() {
        assert_eq!(Features::new([DATAGRAM_V2, DATAGRAM_V3]).datagram_version(), Some(DatagramVersion::V3));
        assert_eq!(Features::new([DATAGRAM_V2]).datagram_version(), Some(DatagramVersion::V2));
        assert_eq!(Features::new([QUIC_EOF]).datagram_version(), None);
        assert_eq!(Features::new([DATAGRAM_V2, DATAGRAM_V3_EARLIER]).datagram_version(), Some(DatagramVersion::V3));
        assert_eq!(Features::new(["support_datagram_v3"]).datagram_version(), None);
    }
}
