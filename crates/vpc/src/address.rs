//! Which addresses are never connected to, whoever asks and whatever a resolver says.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use connection_error::{ConnectionError, ErrorCode, Phase};
use ipnet::IpNet;

/// What the operator restricts, beside what is always restricted: unspecified, multicast, broadcast and link-local addresses.
///
/// The addresses are those that the connector sees. Where edge and connector run on one machine, loopback listeners of
/// the edge belong in here; where they do not, `127.0.0.1` is the connector's machine and they do not.
#[derive(Debug, Clone, Default)]
pub struct Restrictions {
    /// Networks that no service may be in.
    pub networks: Vec<IpNet>,
    /// Where the edge listens for visitors: a request sent there would come back (`proxy_loop_detected`).
    pub visitor_listeners: Vec<SocketAddr>,
    /// Where else the edge listens: its API and its tunnel port (`destination_ip_prohibited`).
    pub edge_listeners: Vec<SocketAddr>,
}

/// Where an address comes from: it decides the phase of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// The service's registration.
    Given,
    /// A resolver's answer for this name.
    Resolved(&'a str),
    /// The URL, which is the Worker's choice: loopback is refused then, too.
    Url,
    /// A resolver's answer for this name, which the URL chose.
    ResolvedFromUrl(&'a str),
}

impl Restrictions {
    /// Refuses an address that must not be connected to.
    pub(crate) fn check(&self, address: SocketAddr, origin: Origin<'_>) -> Result<(), Box<ConnectionError>> {
        let said = match origin {
            Origin::Given | Origin::Url => format!("{}", address.ip()),
            Origin::Resolved(name) | Origin::ResolvedFromUrl(name) => {
                format!("{name} resolves to {}, which", address.ip())
            }
        };
        let phase = match origin {
            Origin::Given | Origin::Url => Phase::Route,
            Origin::Resolved(_) | Origin::ResolvedFromUrl(_) => Phase::Dns,
        };
        let chosen_by_url = matches!(origin, Origin::Url | Origin::ResolvedFromUrl(_));
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        let is_listener = |listeners: &[SocketAddr]| {
            listeners.iter().any(|listener| SocketAddr::new(listener.ip().to_canonical(), listener.port()) == canonical)
        };
        if is_listener(&self.visitor_listeners) {
            return Err(Box::new(ConnectionError::new(
                ErrorCode::ProxyLoopDetected,
                Phase::Route,
                format!("{address} is where this edge itself listens for visitors, so the request would come back."),
            )));
        }
        let why = match special(canonical.ip()) {
            Some(kind) => kind.to_owned(),
            None if chosen_by_url && canonical.ip().is_loopback() => {
                "a loopback address of the connector's machine, which a URL must not choose".to_owned()
            }
            None if is_listener(&self.edge_listeners) => {
                format!("with port {} the edge's own listener", address.port())
            }
            None => match self.networks.iter().find(|network| network.contains(&canonical.ip())) {
                Some(network) => format!("in {network}, which the operator restricts"),
                None => return Ok(()),
            },
        };
        Err(Box::new(ConnectionError::new(
            ErrorCode::DestinationIpProhibited,
            phase,
            format!("{said} is {why}: such an address is never connected to."),
        )))
    }
}

/// The kind of an address that is always restricted.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("unspecified"),
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("in the unspecified network 0.0.0.0/8"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
        IpAddr::V4(v4) if v4.is_link_local() => Some("link-local (where clouds keep their metadata service)"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local"),
        IpAddr::V6(v6) => embedded(v6).and_then(|v4| special(IpAddr::V4(v4))),
        IpAddr::V4(_) => None,
    }
}

/// The IPv4 address inside an IPv4-compatible (`::a.b.c.d`) or NAT64 (`64:ff9b::/96`, RFC 6052) one: they lead to the same place.
fn embedded(address: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let v4 = std::net::Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0] if high != 0 => Some(v4),
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(v4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn code(restrictions: &Restrictions, address: &str) -> Option<ErrorCode> {
        restrictions.check(address.parse().unwrap(), Origin::Given).err().map(|error| error.code)
    }

    #[test]
    fn special_addresses_are_prohibited_however_they_are_written() {
        let none = Restrictions::default();
        for address in [
            "0.0.0.0:80",
            "0.1.2.3:80",
            "255.255.255.255:80",
            "169.254.169.254:80",
            "224.0.0.1:80",
            "[::]:80",
            "[ff02::1]:80",
            "[fe80::1]:80",
            "[::ffff:169.254.169.254]:80",
            "[::169.254.169.254]:80",
            "[64:ff9b::169.254.169.254]:80",
        ] {
            assert_eq!(code(&none, address), Some(ErrorCode::DestinationIpProhibited), "{address}");
        }
        for address in ["127.0.0.1:80", "10.0.0.1:80", "[::1]:80", "[fd00::1]:80", "[64:ff9b::10.0.0.1]:80"] {
            assert_eq!(code(&none, address), None, "{address}");
        }
    }

    #[test]
    fn the_edge_itself_is_no_service() {
        let restrictions = Restrictions {
            networks: vec!["10.9.0.0/16".parse().unwrap()],
            visitor_listeners: vec!["192.0.2.1:8787".parse().unwrap()],
            edge_listeners: vec!["192.0.2.1:8788".parse().unwrap()],
        };
        assert_eq!(code(&restrictions, "192.0.2.1:8787"), Some(ErrorCode::ProxyLoopDetected));
        assert_eq!(code(&restrictions, "[::ffff:192.0.2.1]:8787"), Some(ErrorCode::ProxyLoopDetected));
        assert_eq!(code(&restrictions, "192.0.2.1:8788"), Some(ErrorCode::DestinationIpProhibited));
        assert_eq!(code(&restrictions, "192.0.2.1:80"), None);
        assert_eq!(code(&restrictions, "10.9.1.1:80"), Some(ErrorCode::DestinationIpProhibited));
    }

    #[test]
    fn a_url_must_not_choose_loopback() {
        let none = Restrictions::default();
        for address in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            let address = address.parse().unwrap();
            assert!(none.check(address, Origin::Given).is_ok());
            assert_eq!(none.check(address, Origin::Url).unwrap_err().phase, Phase::Route);
            assert_eq!(none.check(address, Origin::ResolvedFromUrl("x")).unwrap_err().phase, Phase::Dns);
        }
    }

    #[test]
    fn a_resolved_address_fails_in_the_dns_phase() {
        let error = Restrictions::default()
            .check("169.254.169.254:80".parse().unwrap(), Origin::Resolved("metadata.internal"))
            .unwrap_err();
        assert_eq!(error.phase, Phase::Dns);
        assert!(error.detail.contains("metadata.internal resolves to 169.254.169.254"), "{}", error.detail);
    }
}
