//! Ingress rules: which private service answers a published request. Pure.

use http::uri::{Authority, Scheme};
use regex::Regex;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The port of a TCP service whose rule names none and whose scheme is not one of [`PORTS`], as in cloudflared.
const ANY_TCP_PORT: u16 = 7864;
/// Ports of TCP services by scheme.
const PORTS: [(&str, u16); 3] = [("ssh", 22), ("rdp", 3389), ("smb", 445)];
/// How long a dial may take where the configuration says nothing, as in cloudflared.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// One rule, as the edge sends it.
#[derive(Deserialize)]
pub(crate) struct RuleConfiguration {
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    path: Option<String>,
    service: String,
    #[serde(default, rename = "originRequest")]
    request: Option<RequestConfiguration>,
}

/// How requests are made; every member is optional, in a rule and for all rules.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RequestConfiguration {
    /// Whole seconds.
    connect_timeout: Option<u64>,
    http_host_header: Option<String>,
    origin_server_name: Option<String>,
    #[serde(rename = "noTLSVerify")]
    no_tls_verify: Option<bool>,
    bastion_mode: Option<bool>,
}

/// Where requests of a rule go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    /// To an HTTP service.
    Http(Scheme, Authority),
    /// To an HTTP service, with TLS or without, at a socket of this machine.
    Unix { path: PathBuf, tls: bool },
    /// To whatever is behind a TCP port, in a WebSocket.
    Tcp { host: String, port: u16 },
    /// The same, where the request names host and port.
    Bastion,
    /// Nowhere: a page says that the tunnel works.
    HelloWorld,
    /// Nowhere: this status is the answer.
    Status(u16),
    /// To something that this connector does not speak; the text of the configuration.
    Unsupported(String),
}

/// How a rule's requests are made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RequestSettings {
    pub(crate) connect_timeout: Duration,
    /// The `Host` header, in place of the visitor's.
    pub(crate) host_header: Option<String>,
    /// The name that the service's certificate must have, in place of the host in the rule.
    pub(crate) server_name: Option<String>,
    /// The certificate is not looked at.
    pub(crate) unverified: bool,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self { connect_timeout: CONNECT_TIMEOUT, host_header: None, server_name: None, unverified: false }
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Lower case, perhaps beginning with `*.`; every host when there is none.
    hostname: Option<String>,
    path: Option<Regex>,
    pub(crate) service: Service,
    pub(crate) settings: RequestSettings,
}

/// Why rules were refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngressError {
    #[error("The last ingress rule must match all URLs (i.e. it should not have a hostname or path filter)")]
    LastIsNotGeneral,
    #[error("Rule #{rule} has an invalid regex: {reason}")]
    Path { rule: usize, reason: regex::Error },
    #[error("Rule #{rule}: `{service}` is no service: {reason}")]
    Service { rule: usize, service: String, reason: &'static str },
}

/// Reads the rules of a configuration.
pub(crate) fn parse(rules: Vec<RuleConfiguration>, defaults: &RequestConfiguration) -> Result<Vec<Rule>, IngressError> {
    let parse = |(index, rule): (usize, RuleConfiguration)| {
        let number = index + 1;
        let path = rule.path.filter(|path| !path.is_empty()).map(|path| Regex::new(&path)).transpose();
        Ok(Rule {
            hostname: rule
                .hostname
                .map(|name| name.to_ascii_lowercase())
                .filter(|name| !name.is_empty() && name != "*"),
            path: path.map_err(|reason| IngressError::Path { rule: number, reason })?,
            service: if is_bastion(rule.request.as_ref(), defaults) {
                Service::Bastion
            } else {
                parse_service(&rule.service).map_err(|reason| IngressError::Service {
                    rule: number,
                    service: rule.service.clone(),
                    reason,
                })?
            },
            settings: settings(rule.request.unwrap_or_default(), defaults),
        })
    };
    let rules: Vec<Rule> = rules.into_iter().enumerate().map(parse).collect::<Result<_, IngressError>>()?;
    match rules.last() {
        Some(last) if last.hostname.is_some() || last.path.is_some() => Err(IngressError::LastIsNotGeneral),
        _ => Ok(rules),
    }
}

fn settings(own: RequestConfiguration, defaults: &RequestConfiguration) -> RequestSettings {
    let text =
        |own: Option<String>, default: &Option<String>| own.or_else(|| default.clone()).filter(|text| !text.is_empty());
    RequestSettings {
        connect_timeout: own.connect_timeout.or(defaults.connect_timeout).map_or(CONNECT_TIMEOUT, Duration::from_secs),
        host_header: text(own.http_host_header, &defaults.http_host_header),
        server_name: text(own.origin_server_name, &defaults.origin_server_name),
        unverified: own.no_tls_verify.or(defaults.no_tls_verify).unwrap_or(false),
    }
}

fn is_bastion(own: Option<&RequestConfiguration>, defaults: &RequestConfiguration) -> bool {
    own.and_then(|own| own.bastion_mode).or(defaults.bastion_mode).unwrap_or(false)
}

fn parse_service(text: &str) -> Result<Service, &'static str> {
    if let Some(status) = text.strip_prefix("http_status:") {
        let status = status.parse().ok().filter(|status| (100..=999).contains(status));
        return status.map(Service::Status).ok_or("a status is a number from 100 to 999");
    }
    for (prefix, tls) in [("unix:", false), ("unix+tls:", true)] {
        if let Some(path) = text.strip_prefix(prefix) {
            return if path.is_empty() {
                Err("it names no socket")
            } else {
                Ok(Service::Unix { path: path.into(), tls })
            };
        }
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return match text {
            "hello_world" | "hello-world" => Ok(Service::HelloWorld),
            "bastion" => Ok(Service::Bastion),
            "socks-proxy" => Ok(Service::Unsupported(text.to_owned())),
            _ => Err(
                "a service is for example http://10.0.0.5:8080, tcp://10.0.0.5:5432, unix:/run/app.sock or http_status:404",
            ),
        };
    };
    if rest.trim_end_matches('/').contains(['/', '?', '#']) {
        return Err("ingress rules don't support proxying to a different path on the origin service");
    }
    let authority = rest.trim_end_matches('/').parse::<Authority>().map_err(|_| "it names no host")?;
    if authority.host().is_empty() {
        return Err("it names no host");
    }
    Ok(match scheme {
        "http" | "ws" => Service::Http(Scheme::HTTP, authority),
        "https" | "wss" => Service::Http(Scheme::HTTPS, authority),
        other => {
            let usual = PORTS.iter().find(|(scheme, _)| *scheme == other).map_or(ANY_TCP_PORT, |(_, port)| *port);
            let host = bare(authority.host()).to_owned();
            Service::Tcp { host, port: authority.port_u16().unwrap_or(usual) }
        }
    })
}

/// The host of a URL without the brackets around an IPv6 address.
pub(crate) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The name by which rules know a host: lower case, without port.
pub(crate) fn host_name(host: &str) -> String {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        // An IPv6 address has colons of its own.
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    name.to_ascii_lowercase()
}

impl Rule {
    /// Whether it is for this host (see [`host_name`]) and path. Of several, the first counts.
    pub(crate) fn fits(&self, host: &str, path: &str) -> bool {
        let host_fits = self.hostname.as_ref().is_none_or(|name| match name.strip_prefix('*') {
            Some(end) => host.ends_with(end),
            None => host == *name,
        });
        host_fits && self.path.as_ref().is_none_or(|wanted| wanted.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rules(json: &str) -> Result<Vec<Rule>, IngressError> {
        parse(serde_json::from_str(json).unwrap(), &RequestConfiguration::default())
    }

    #[test]
    fn the_first_rule_that_fits_is_used() {
        let rules = rules(
            r#"[{"hostname":"App.example","path":"^/api/","service":"http://10.0.0.5:8080"},
                {"hostname":"*.example","service":"https://10.0.0.6/"},
                {"hostname":"","path":"","service":"http_status:404"}]"#,
        )
        .unwrap();
        let service = |host: &str, path: &str| {
            rules.iter().find(|rule| rule.fits(&host_name(host), path)).unwrap().service.clone()
        };
        let http = |authority: &'static str| Service::Http(Scheme::HTTP, Authority::from_static(authority));
        assert_eq!(service("app.example", "/api/x"), http("10.0.0.5:8080"));
        assert_eq!(service("APP.example:8787", "/api/x"), http("10.0.0.5:8080"));
        assert_eq!(service("app.example", "/"), Service::Http(Scheme::HTTPS, Authority::from_static("10.0.0.6")));
        assert_eq!(service("example", "/"), Service::Status(404));
    }

    #[test]
    fn settings_of_a_rule_go_before_those_of_all() {
        let defaults: RequestConfiguration =
            serde_json::from_str(r#"{"connectTimeout":3,"noTLSVerify":true,"keepAliveTimeout":90}"#).unwrap();
        let rules = serde_json::from_str(
            r#"[{"service":"https://db.internal:8443","originRequest":{"noTLSVerify":false,"httpHostHeader":"db"}}]"#,
        );
        let rules = parse(rules.unwrap(), &defaults).unwrap();
        assert_eq!(
            rules[0].settings,
            RequestSettings {
                connect_timeout: Duration::from_secs(3),
                host_header: Some("db".to_owned()),
                ..RequestSettings::default()
            }
        );
    }

    #[test]
    fn wrong_rules_are_refused() {
        for wrong in [
            r#"[{"hostname":"a.example","service":"http://10.0.0.5"}]"#,
            r#"[{"path":"(","service":"http://10.0.0.5"},{"service":"http_status:404"}]"#,
            r#"[{"service":"http_status:99"}]"#,
            r#"[{"service":"http://"}]"#,
            r#"[{"service":"http://10.0.0.5/path"}]"#,
        ] {
            assert!(rules(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn services_are_of_many_kinds() {
        let tcp = |host: &str, port| Service::Tcp { host: host.to_owned(), port };
        for (text, expected) in [
            ("ssh://10.0.0.5", tcp("10.0.0.5", 22)),
            ("rdp://desk.internal", tcp("desk.internal", 3389)),
            ("smb://[fd00::1]:4450", tcp("fd00::1", 4450)),
            ("tcp://db.internal:5432", tcp("db.internal", 5432)),
            ("tcp://db.internal", tcp("db.internal", 7864)),
            ("unix:/run/app.sock", Service::Unix { path: "/run/app.sock".into(), tls: false }),
            ("unix+tls:/run/app.sock", Service::Unix { path: "/run/app.sock".into(), tls: true }),
            ("hello_world", Service::HelloWorld),
            ("bastion", Service::Bastion),
            ("socks-proxy", Service::Unsupported("socks-proxy".to_owned())),
        ] {
            assert_eq!(parse_service(text), Ok(expected), "{text}");
        }
        for wrong in ["unix:", "tcp://", "tcp://db:5432/x", "nonsense"] {
            assert!(parse_service(wrong).is_err(), "{wrong}");
        }
        let bastion = rules(r#"[{"service":"tcp://x:1","originRequest":{"bastionMode":true}}]"#).unwrap();
        assert_eq!(bastion[0].service, Service::Bastion);
    }
}
