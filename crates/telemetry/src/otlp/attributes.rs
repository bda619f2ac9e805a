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

/// Who sends.
pub(super) fn resource(service_name: &str) -> Resource {
    let attributes = Attributes::default()
        .with("service.name", service_name)
        .with("service.version", env!("CARGO_PKG_VERSION"))
        .with("service.instance.id", uuid::Uuid::new_v4().to_string())
        .with("process.pid", u64::from(std::process::id()));
    Resource { attributes: attributes.0 }
}
