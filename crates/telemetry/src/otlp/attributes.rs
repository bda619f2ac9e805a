//! Attributes, by the semantic conventions of OpenTelemetry where these have a name.

use super::messages::{AnyValue, KeyValue, Resource, Value};

/// Anything that an attribute may be.
pub(super) trait Attribute {
    fn value(self) -> Value;
}

impl Attribute for &str {
    fn value(self) -> Value {
        Value::String(self.to_owned())
    }
}

impl Attribute for String {
    fn value(self) -> Value {
        Value::String(self)
    }
}

impl Attribute for bool {
    fn value(self) -> Value {
        Value::Bool(self)
    }
}

impl Attribute for u64 {
    fn value(self) -> Value {
        Value::Int(i64::try_from(self).unwrap_or(i64::MAX))
    }
}

impl Attribute for u16 {
    fn value(self) -> Value {
        Value::Int(self.into())
    }
}

impl Attribute for f64 {
    fn value(self) -> Value {
        Value::Double(self)
    }
}

/// A value by itself.
pub(super) fn any(value: impl Attribute) -> AnyValue {
    AnyValue { value: Some(value.value()) }
}

/// Attributes being collected.
#[derive(Default)]
pub(super) struct Attributes(pub Vec<KeyValue>);

impl Attributes {
    /// With one more.
    pub(super) fn with(mut self, key: &str, value: impl Attribute) -> Self {
        self.0.push(KeyValue { key: key.to_owned(), value: Some(any(value)) });
        self
    }

    /// With one more where there is a value.
    pub(super) fn maybe(self, key: &str, value: Option<impl Attribute>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

/// The methods that the conventions know. Others stand in an attribute of their own, so that no stranger makes new values.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// What stands for a method, or a kind of error, that is none of the known ones.
pub(super) const OTHER: &str = "_OTHER";

/// A method as a span may be named after it.
pub(super) fn method_in_name(method: &str) -> &str {
    if METHODS.contains(&method) { method } else { "HTTP" }
}

impl Attributes {
    /// The method of a request.
    pub(super) fn method(self, method: &str) -> Self {
        match METHODS.contains(&method) {
            true => self.with("http.request.method", method),
            false => self.with("http.request.method", OTHER).with("http.request.method_original", method),
        }
    }

    /// The server that was asked, by `host:port` or by a host alone; then the port is that of the scheme.
    pub(super) fn server(self, authority: &str, scheme: Option<&str>) -> Self {
        let Ok(authority) = authority.parse::<http::uri::Authority>() else { return self };
        let default = match scheme {
            Some("http" | "ws") => Some(80),
            Some("https" | "wss") => Some(443),
            _ => None,
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        self.with("server.address", host).maybe("server.port", authority.port_u16().or(default))
    }

    /// The URL that was asked for, and the server that it names. `url` has to be redacted already.
    pub(super) fn url(self, url: &str) -> Self {
        let server = url.split_once("://").map(|(scheme, rest)| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            // Never a name and password.
            (scheme, authority.rsplit_once('@').map_or(authority, |(_, host)| host))
        });
        match server {
            Some((scheme, authority)) => {
                self.server(authority, Some(&scheme.to_ascii_lowercase())).with("url.full", url)
            }
            None => self.with("url.full", url),
        }
    }
}

/// Who sends.
pub(super) fn resource(service_name: &str) -> Resource {
    let attributes = Attributes::default()
        .with("service.name", service_name)
        .with("service.version", env!("CARGO_PKG_VERSION"))
        .with("service.instance.id", uuid::Uuid::new_v4().to_string())
        .with("process.pid", u64::from(std::process::id()));
    Resource { attributes: attributes.0 }
}
