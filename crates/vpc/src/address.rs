//! Which addresses are never connected to, whoever asks and whatever a resolver says.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use connection_error::{ConnectionError, ErrorCode, Phase};
use ipnet::IpNet;

/// What the operator restricts, beside what is always restricted: unspecified, multicast, broadcast and link-local addresses.
///
/// The addresses are those that the connector sees. Listeners on loopback are meant only where a connector runs beside the edge, since elsewhere
/// `127.0.0.1` is another machine; a listener on all addresses is on each of the machine's.
#[derive(Debug, Clone, Default)]
pub struct Restrictions {
    /// Networks that no service may be in.
    pub networks: Vec<IpNet>,
    /// Where the edge listens for visitors: a request sent there would come back (`proxy_loop_detected`).
    pub visitor_listeners: Vec<SocketAddr>,
    /// Where else the edge listens: its API and its tunnel port (`destination_ip_prohibited`).
    pub edge_listeners: Vec<SocketAddr>,
}

/// Whether an address is one of this machine's: only those can be bound.
pub(crate) fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Whether a connection to `address` arrives at `listener`. `is_beside` tells whether it is made on the machine of the listener.
fn arrives_at(listener: SocketAddr, address: SocketAddr, is_beside: &dyn Fn() -> bool) -> bool {
    let (ip, bound) = (address.ip(), listener.ip().to_canonical());
    if listener.port() != address.port() {
        return false;
    }
    let is_meant = if bound.is_unspecified() { ip.is_loopback() || is_of_this_machine(ip) } else { ip == bound };
    is_meant && (!ip.is_loopback() || is_beside())
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
    /// Refuses an address that must not be connected to. `is_beside` tells whether the connection would be made on the edge's own machine.
    pub(crate) fn check(
        &self,
        address: SocketAddr,
        origin: Origin<'_>,
        is_beside: &dyn Fn() -> bool,
    ) -> Result<(), Box<ConnectionError>> {
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
        let ip = plain(address.ip());
        let is_listener = |listeners: &[SocketAddr]| {
            let plain = SocketAddr::new(ip, address.port());
            listeners.iter().any(|listener| arrives_at(*listener, plain, is_beside))
        };
        if is_listener(&self.visitor_listeners) {
            return Err(Box::new(ConnectionError::new(
                ErrorCode::ProxyLoopDetected,
                Phase::Route,
                format!("{address} is where this edge itself listens for visitors, so the request would come back."),
            )));
        }
        let why = match special(ip) {
            Some(kind) => kind.to_owned(),
            None if chosen_by_url && ip.is_loopback() => {
                "a loopback address of the connector's machine, which a URL must not choose".to_owned()
            }
            None if is_listener(&self.edge_listeners) => {
                format!("with port {} the edge's own listener", address.port())
            }
            None => match self.networks.iter().find(|network| network.contains(&ip)) {
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

/// An address without what is wrapped around it: IPv4-mapped, IPv4-compatible and NAT64 ones lead to the same place as the IPv4 address in them.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => embedded(v6).map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 => v4,
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
        _ => None,
    }
}

/// The IPv4 address inside an IPv4-compatible (`::a.b.c.d`) or NAT64 (`64:ff9b::/96`, RFC 6052) one.
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
        restrictions.check(address.parse().unwrap(), Origin::Given, &|| true).err().map(|error| error.code)
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
    fn a_listener_on_loopback_is_the_edges_only_beside_it() {
        let restrictions =
            Restrictions { visitor_listeners: vec!["127.0.0.1:8787".parse().unwrap()], ..Restrictions::default() };
        let check =
            |beside: bool| restrictions.check("127.0.0.1:8787".parse().unwrap(), Origin::Given, &move || beside);
        assert_eq!(check(true).unwrap_err().code, ErrorCode::ProxyLoopDetected);
        assert_eq!(check(false), Ok(()));
    }

    #[test]
    fn a_listener_on_all_addresses_is_on_each_of_the_machines() {
        let restrictions = Restrictions {
            networks: vec!["10.9.0.0/16".parse().unwrap()],
            edge_listeners: vec!["0.0.0.0:8788".parse().unwrap()],
            ..Restrictions::default()
        };
        for address in ["127.0.0.1:8788", "127.0.0.9:8788", "[::ffff:127.0.0.1]:8788", "[64:ff9b::7f00:1]:8788"] {
            assert_eq!(code(&restrictions, address), Some(ErrorCode::DestinationIpProhibited), "{address}");
        }
        // TEST-NET-1 (RFC 5737) is nobody's.
        for address in ["192.0.2.1:8788", "127.0.0.1:8787"] {
            assert_eq!(code(&restrictions, address), None, "{address}");
        }
        assert_eq!(code(&restrictions, "[64:ff9b::10.9.0.1]:80"), Some(ErrorCode::DestinationIpProhibited));
    }

    #[test]
    fn a_url_must_not_choose_loopback() {
        let none = Restrictions::default();
        for address in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "[64:ff9b::127.0.0.1]:80"]
        {
            let address = address.parse().unwrap();
            assert!(none.check(address, Origin::Given, &|| true).is_ok());
            assert_eq!(none.check(address, Origin::Url, &|| false).unwrap_err().phase, Phase::Route);
            assert_eq!(none.check(address, Origin::ResolvedFromUrl("x"), &|| false).unwrap_err().phase, Phase::Dns);
        }
    }

    #[test]
    fn a_resolved_address_fails_in_the_dns_phase() {
        let error = Restrictions::default()
            .check("169.254.169.254:80".parse().unwrap(), Origin::Resolved("metadata.internal"), &|| true)
            .unwrap_err();
        assert_eq!(error.phase, Phase::Dns);
        assert!(error.detail.contains("metadata.internal resolves to 169.254.169.254"), "{}", error.detail);
    }
}
