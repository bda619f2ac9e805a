//! The JSON form of a VPC Service: reading it with every rule of the data model, each broken rule with a pointer to
//! its field, and writing it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};
use store::{AppProtocol, CertVerificationMode, Protocol, ServiceHost, TlsSettings, VpcService, VpcServiceSpec};
use uuid::Uuid;

use super::policy;
use crate::envelope::ApiError;
use crate::request::rfc3339;

const MAX_NAME: usize = 255;
const MAX_HOSTNAME: usize = 253;
const MAX_RESOLVERS: usize = 8;
/// Fields that the server assigns; a client that sends back what it read sends them too.
const ASSIGNED: [&str; 3] = ["service_id", "created_at", "updated_at"];

/// The rules that a request breaks, each with a pointer to the field.
#[derive(Default)]
pub(super) struct Wrong(Vec<(String, String)>);

impl Wrong {
    pub(super) fn add(&mut self, pointer: &str, message: impl Into<String>) {
        self.0.push((pointer.to_owned(), message.into()));
    }
}

pub(super) fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

pub(super) fn unknown_fields(wrong: &mut Wrong, at: &str, members: &Map<String, Value>, known: &[&str]) {
    for (name, value) in members {
        if !known.contains(&name.as_str()) && !value.is_null() {
            wrong.add(&format!("{at}/{name}"), format!("\"{name}\" is not a field here; {} are.", known.join(", ")));
        }
    }
}

fn name(wrong: &mut Wrong, members: &Map<String, Value>) -> String {
    let name = members.get("name").and_then(Value::as_str).unwrap_or("").trim();
    if name.is_empty() {
        wrong.add("/name", "name must be a string that is not empty.");
    } else if name.chars().count() > MAX_NAME {
        wrong.add("/name", format!("name must have at most {MAX_NAME} characters."));
    } else if name.chars().any(char::is_control) {
        wrong.add("/name", "name must not contain control characters.");
    }
    name.to_owned()
}

fn port(wrong: &mut Wrong, members: &Map<String, Value>, field: &str) -> Option<u16> {
    let value = present(members, field)?;
    let port = value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    if port.is_none() {
        wrong.add(&format!("/{field}"), format!("{field} must be a whole number from 1 to 65535, not {value}."));
    }
    port
}

fn protocol(wrong: &mut Wrong, members: &Map<String, Value>) -> Option<Protocol> {
    let kind = members.get("type").and_then(Value::as_str);
    let refuse = |wrong: &mut Wrong, fields: &[&str], kind: &str| {
        for field in fields {
            if present(members, field).is_some() {
                wrong.add(&format!("/{field}"), format!("{field} does not go with a service of the type {kind}."));
            }
        }
    };
    match kind {
        Some("http") => {
            refuse(wrong, &["tcp_port", "app_protocol"], "http");
            let http_port = port(wrong, members, "http_port");
            let https_port = port(wrong, members, "https_port");
            Some(Protocol::Http { http_port, https_port })
        }
        Some("tcp") => {
            refuse(wrong, &["http_port", "https_port"], "tcp");
            if present(members, "tcp_port").is_none() {
                wrong.add("/tcp_port", "A service of the type tcp needs a tcp_port.");
            }
            let app_protocol = match present(members, "app_protocol") {
                None => None,
                Some(Value::String(text)) if text == "postgresql" => Some(AppProtocol::Postgresql),
                Some(Value::String(text)) if text == "mysql" => Some(AppProtocol::Mysql),
                Some(other) => {
                    wrong.add(
                        "/app_protocol",
                        format!("app_protocol must be \"postgresql\" or \"mysql\", not {other}."),
                    );
                    None
                }
            };
            port(wrong, members, "tcp_port").map(|tcp_port| Protocol::Tcp { tcp_port, app_protocol })
        }
        _ => {
            wrong.add("/type", "type must be \"http\" or \"tcp\".");
            None
        }
    }
}

/// Reads `{tunnel_id, …}` at `/host/{field}`.
fn network<'a>(
    wrong: &mut Wrong,
    host: &'a Map<String, Value>,
    field: &str,
    known: &[&str],
) -> Option<(Uuid, &'a Map<String, Value>)> {
    let at = format!("/host/{field}");
    let Some(network) = host.get(field).and_then(Value::as_object) else {
        wrong.add(&at, format!("{field} must be an object with a tunnel_id."));
        return None;
    };
    unknown_fields(wrong, &at, network, known);
    let tunnel = network.get("tunnel_id").and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok());
    if tunnel.is_none() {
        wrong.add(&format!("{at}/tunnel_id"), "tunnel_id must be the UUID of a tunnel.");
    }
    tunnel.map(|tunnel| (tunnel, network))
}

/// The rules that a host name breaks, as words that go after "it".
fn hostname_faults(text: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.len() > MAX_HOSTNAME {
        faults.push("is longer than 253 characters");
    }
    if text.chars().any(char::is_whitespace) {
        faults.push("contains white space");
    }
    if text.contains("://") {
        faults.push("has a scheme");
    } else if text.contains('/') {
        faults.push("has a path");
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if text.parse::<IpAddr>().is_ok() || bracketed.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()) {
        faults.push("is an IP address; give it as ipv4 or ipv6");
    } else if text
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    {
        faults.push("has a port; give it as http_port, https_port or tcp_port");
    }
    if faults.is_empty() {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !bare.split('.').all(label) {
            faults.push("is not a host name: its labels have 1 to 63 letters, digits and dashes each");
        } else if bare.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost")) {
            faults.push("is localhost, which means the resolver's own machine; give the address instead");
        }
    }
    faults
}

fn resolvers(wrong: &mut Wrong, network: &Map<String, Value>) -> Vec<IpAddr> {
    const AT: &str = "/host/resolver_network/resolver_ips";
    let Some(value) = present(network, "resolver_ips") else {
        return Vec::new();
    };
    let Some(items) = value.as_array() else {
        wrong.add(AT, "resolver_ips must be a list of IP addresses.");
        return Vec::new();
    };
    if items.len() > MAX_RESOLVERS {
        wrong.add(AT, format!("resolver_ips must have at most {MAX_RESOLVERS} addresses."));
        return Vec::new();
    }
    let mut addresses = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match item.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(address) if address.is_unspecified() || address.is_multicast() => {
                wrong.add(&format!("{AT}/{at}"), format!("{address} cannot be the address of a resolver."))
            }
            Some(address) => addresses.push(address),
            None => wrong.add(&format!("{AT}/{at}"), format!("Invalid resolver IP address: {item}.")),
        }
    }
    addresses
}

fn address<T: std::str::FromStr>(
    wrong: &mut Wrong,
    host: &Map<String, Value>,
    field: &str,
    words: &str,
    example: &str,
    refused: impl Fn(&T) -> Option<&'static str>,
) -> Option<T> {
    let value = present(host, field)?;
    let at = format!("/host/{field}");
    match value.as_str().and_then(|text| text.parse::<T>().ok()) {
        None => {
            wrong.add(
                &at,
                format!("Invalid {words} address: {value}. Provide a valid {words} address (e.g., '{example}')."),
            );
            None
        }
        Some(address) => {
            if let Some(reason) = refused(&address) {
                wrong.add(&at, format!("{value} is {reason} and cannot be a service."));
            }
            Some(address)
        }
    }
}

fn host(wrong: &mut Wrong, members: &Map<String, Value>) -> Option<ServiceHost> {
    let Some(host) = members.get("host").and_then(Value::as_object) else {
        wrong.add("/host", "host must be an object: {ipv4 and/or ipv6, network} or {hostname, resolver_network}.");
        return None;
    };
    unknown_fields(wrong, "/host", host, &["ipv4", "ipv6", "hostname", "network", "resolver_network"]);
    let by_address = present(host, "ipv4").is_some() || present(host, "ipv6").is_some();
    let by_name = present(host, "hostname").is_some();
    match (by_address, by_name) {
        (true, true) => {
            wrong.add("/host", "host must have either IP addresses (ipv4, ipv6) or a hostname, not both.");
            None
        }
        (false, false) => {
            wrong.add("/host", "host must have either IP addresses (ipv4, ipv6) or a hostname.");
            None
        }
        (true, false) => {
            if present(host, "resolver_network").is_some() {
                wrong.add(
                    "/host/resolver_network",
                    "resolver_network goes with a hostname; IP addresses go with network.",
                );
            }
            let ipv4 = address(wrong, host, "ipv4", "IPv4", "192.168.1.1", |a: &Ipv4Addr| {
                if a.is_unspecified() {
                    Some("the unspecified address")
                } else if a.is_multicast() {
                    Some("a multicast address")
                } else if a.is_broadcast() {
                    Some("the broadcast address")
                } else {
                    None
                }
            });
            let ipv6 = address(wrong, host, "ipv6", "IPv6", "2001:db8::1", |a: &Ipv6Addr| {
                if a.is_unspecified() {
                    Some("the unspecified address")
                } else if a.is_multicast() {
                    Some("a multicast address")
                } else {
                    None
                }
            });
            let (tunnel_id, _) = network(wrong, host, "network", &["tunnel_id"])?;
            Some(ServiceHost::Address { ipv4, ipv6, tunnel_id })
        }
        (false, true) => {
            if present(host, "network").is_some() {
                wrong.add("/host/network", "network goes with IP addresses; a hostname goes with resolver_network.");
            }
            let hostname = match host.get("hostname").and_then(Value::as_str) {
                Some(text) if text.trim().is_empty() => {
                    wrong.add("/host/hostname", "Hostname cannot be empty.");
                    String::new()
                }
                Some(text) => {
                    let faults = hostname_faults(text);
                    if !faults.is_empty() {
                        wrong.add("/host/hostname", format!("Invalid hostname '{text}': it {}.", faults.join(", it ")));
                    }
                    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
                }
                None => {
                    wrong.add("/host/hostname", "hostname must be a string.");
                    String::new()
                }
            };
            let (tunnel_id, members) = network(wrong, host, "resolver_network", &["tunnel_id", "resolver_ips"])?;
            Some(ServiceHost::Hostname { hostname, tunnel_id, resolver_ips: resolvers(wrong, members) })
        }
    }
}

fn tls(wrong: &mut Wrong, members: &Map<String, Value>) -> Option<TlsSettings> {
    const AT: &str = "/tls_settings";
    let value = present(members, "tls_settings")?;
    let Some(settings) = value.as_object() else {
        wrong.add(AT, "tls_settings must be an object.");
        return None;
    };
    unknown_fields(wrong, AT, settings, &["cert_verification_mode", "certificate_authority", "client_certificate"]);
    let cert_verification_mode = match present(settings, "cert_verification_mode") {
        None => CertVerificationMode::default(),
        Some(value) => {
            match value.as_str() {
                Some("verify_full") => CertVerificationMode::VerifyFull,
                Some("verify_ca") => CertVerificationMode::VerifyCa,
                Some("disabled") => CertVerificationMode::Disabled,
                _ => {
                    wrong.add(
                    "/tls_settings/cert_verification_mode",
                    format!("cert_verification_mode must be \"verify_full\", \"verify_ca\" or \"disabled\", not {value}."),
                );
                    CertVerificationMode::default()
                }
            }
        }
    };
    let mut certificate = |field: &str, words: &str| {
        let value = present(settings, field)?;
        let id = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
        if id.is_none() {
            wrong.add(&format!("{AT}/{field}"), format!("{field} must be the UUID of a {words}, not {value}."));
        }
        id
    };
    let certificate_authority = certificate("certificate_authority", "certificate authority");
    let client_certificate = certificate("client_certificate", "client certificate");
    if certificate_authority.is_some() && cert_verification_mode == CertVerificationMode::Disabled {
        wrong.add(
            "/tls_settings/certificate_authority",
            "certificate_authority requires cert_verification_mode verify_ca or verify_full; disabled cannot verify a custom CA.",
        );
    }
    Some(TlsSettings { cert_verification_mode, certificate_authority, client_certificate })
}

/// Reads a VPC Service. Every broken rule is named, not just the first.
pub(crate) fn parse(body: &Value) -> Result<VpcServiceSpec, ApiError> {
    let Some(members) = body.as_object() else {
        return Err(ApiError::field("", "A VPC Service must be an object."));
    };
    let mut wrong = Wrong::default();
    let mut known =
        vec!["name", "type", "host", "http_port", "https_port", "tcp_port", "app_protocol", "tls_settings", "policy"];
    known.extend(ASSIGNED);
    unknown_fields(&mut wrong, "", members, &known);
    let name = name(&mut wrong, members);
    let protocol = protocol(&mut wrong, members);
    let host = host(&mut wrong, members);
    let tls = tls(&mut wrong, members);
    let policy = policy::parse(&mut wrong, members);
    match (protocol, host) {
        (Some(protocol), Some(host)) if wrong.0.is_empty() => Ok(VpcServiceSpec { name, protocol, host, tls, policy }),
        _ => Err(ApiError::fields(wrong.0)),
    }
}

/// Where a request names its tunnel.
pub(crate) fn tunnel_pointer(body: &Value) -> &'static str {
    if body.pointer("/host/resolver_network").is_some() {
        "/host/resolver_network/tunnel_id"
    } else {
        "/host/network/tunnel_id"
    }
}

/// Writes a VPC Service. What was not given is not there.
pub(crate) fn view(service: &VpcService) -> Value {
    let spec = &service.spec;
    let mut view = Map::from_iter([
        ("service_id".to_owned(), json!(service.id)),
        ("name".to_owned(), json!(spec.name)),
        ("type".to_owned(), json!(spec.protocol.kind())),
    ]);
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            view.insert(name.to_owned(), value);
        }
    };
    match &spec.protocol {
        // The default ports are not said where none was given: Terraform would take them away again with every run.
        Protocol::Http { http_port, https_port } => {
            put("http_port", http_port.map(Value::from));
            put("https_port", https_port.map(Value::from));
        }
        Protocol::Tcp { tcp_port, app_protocol } => {
            put("tcp_port", Some((*tcp_port).into()));
            put("app_protocol", app_protocol.map(|protocol| json!(protocol)));
        }
    }
    let host = match &spec.host {
        ServiceHost::Address { ipv4, ipv6, tunnel_id } => {
            let mut host = Map::new();
            if let Some(ipv4) = ipv4 {
                host.insert("ipv4".to_owned(), json!(ipv4));
            }
            if let Some(ipv6) = ipv6 {
                host.insert("ipv6".to_owned(), json!(ipv6));
            }
            host.insert("network".to_owned(), json!({ "tunnel_id": tunnel_id }));
            Value::Object(host)
        }
        ServiceHost::Hostname { hostname, tunnel_id, resolver_ips } => {
            let mut network = Map::from_iter([("tunnel_id".to_owned(), json!(tunnel_id))]);
            if !resolver_ips.is_empty() {
                network.insert("resolver_ips".to_owned(), json!(resolver_ips));
            }
            json!({ "hostname": hostname, "resolver_network": network })
        }
    };
    put("host", Some(host));
    put("tls_settings", spec.tls.as_ref().map(|tls| json!(tls)));
    put("policy", spec.policy.as_ref().map(policy::view));
    put("created_at", Some(rfc3339(service.created_on).into()));
    put("updated_at", Some(rfc3339(service.modified_on).into()));
    Value::Object(view)
}

#[cfg(test)]
mod tests;
