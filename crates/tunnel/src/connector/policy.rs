//! Which destinations a connector dials. Pure.

use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// One rule: a network and ports, for example `10.0.0.0/8:80,443`, `192.168.1.7:5432`, `[fd00::/8]:8000-8100`, `10.1.0.0/16`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowRule {
    network: IpNet,
    /// Empty: every port.
    ports: Vec<RangeInclusive<u16>>,
}

/// Why a rule was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AllowRuleError {
    /// The part before the ports is no network and no address.
    #[error("`{0}` is neither an address nor a network: write for example 10.0.0.0/8:80,443 or [fd00::/8]:443")]
    Network(String),
    /// The part after the last colon is no list of ports.
    #[error("`{0}` is not a list of ports: write for example 80,443 or 8000-8100")]
    Ports(String),
}

impl FromStr for AllowRule {
    type Err = AllowRuleError;

    fn from_str(rule: &str) -> Result<Self, Self::Err> {
        let rule = rule.trim();
        let (network, ports) = match rule.strip_prefix('[') {
            Some(rest) => {
                let (network, ports) = rest.split_once(']').ok_or_else(|| AllowRuleError::Network(rule.to_owned()))?;
                match ports {
                    "" => (network, ""),
                    ports => (network, ports.strip_prefix(':').ok_or_else(|| AllowRuleError::Ports(ports.to_owned()))?),
                }
            }
            // A second colon means an IPv6 address without brackets and without ports.
            None if rule.matches(':').count() > 1 => (rule, ""),
            None => rule.split_once(':').unwrap_or((rule, "")),
        };
        let parsed = network.parse().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
        let parsed = parsed.map_err(|_| AllowRuleError::Network(network.to_owned()))?;
        let ports = ports.split(',').filter(|port| !port.is_empty()).map(parse_ports).collect::<Result<_, _>>()?;
        Ok(Self { network: parsed, ports })
    }
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, AllowRuleError> {
    let wrong = || AllowRuleError::Ports(text.to_owned());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first = first.trim().parse().map_err(|_| wrong())?;
    let last = last.trim().parse().map_err(|_| wrong())?;
    if first > last { Err(wrong()) } else { Ok(first..=last) }
}

/// The rules together: a destination is allowed when one of them has it. Without rules everything is, as with cloudflared.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DestinationPolicy {
    rules: Vec<AllowRule>,
}

impl DestinationPolicy {
    /// Only what one of `rules` has; with none, everything.
    pub fn new(rules: Vec<AllowRule>) -> Self {
        Self { rules }
    }

    /// Whether sockets of the connector's own machine may be dialled, which no rule can name.
    pub(crate) fn allows_sockets(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `destination` may be dialled.
    pub fn allows(&self, destination: SocketAddr) -> bool {
        let address = destination.ip().to_canonical();
        self.rules.is_empty()
            || self.rules.iter().any(|rule| {
                let port = rule.ports.is_empty() || rule.ports.iter().any(|ports| ports.contains(&destination.port()));
                port && rule.network.contains(&address)
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy(rules: &[&str]) -> DestinationPolicy {
        DestinationPolicy::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    #[test]
    fn rules_allow_networks_and_ports() {
        let policy =
            policy(&["10.0.0.0/8:80,443", "192.168.1.7:5432", "[fd00::/8]:8000-8100", "172.16.0.0/12", "fe80::1"]);
        for allowed in [
            "10.1.2.3:443",
            "192.168.1.7:5432",
            "[fd12::1]:8050",
            "172.31.0.1:1",
            "[::ffff:10.0.0.1]:80",
            "[fe80::1]:9",
        ] {
            assert!(policy.allows(allowed.parse().unwrap()), "{allowed}");
        }
        for refused in ["10.1.2.3:22", "192.168.1.8:5432", "[fd12::1]:8101", "127.0.0.1:80", "[fe80::2]:9"] {
            assert!(!policy.allows(refused.parse().unwrap()), "{refused}");
        }
    }

    #[test]
    fn without_rules_everything_is_allowed() {
        assert!(DestinationPolicy::default().allows("127.0.0.1:1".parse().unwrap()));
    }

    #[test]
    fn wrong_rules_say_what_is_wrong() {
        assert_eq!("example.com:80".parse::<AllowRule>(), Err(AllowRuleError::Network("example.com".to_owned())));
        assert_eq!("10.0.0.0/8:http".parse::<AllowRule>(), Err(AllowRuleError::Ports("http".to_owned())));
        assert_eq!("10.0.0.0/8:9-1".parse::<AllowRule>(), Err(AllowRuleError::Ports("9-1".to_owned())));
        assert!("[fd00::/8".parse::<AllowRule>().is_err());
        assert!("".parse::<AllowRule>().is_err());
    }
}
