//! What crosses between Rust and JavaScript: values by copy, everything else by a persistent root.

/// A persistent root: keeps a JavaScript value alive as long as the isolate lives. Cloning shares the root.
///
/// A handle may outlive its isolate; it then holds `undefined`. A handle of one isolate used with another reads as `undefined`.
#[derive(Clone)]
pub struct Handle {
    _private: std::rc::Rc<()>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

/// A value that crosses between Rust and JavaScript.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// `undefined`.
    #[default]
    Undefined,
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string. Lone surrogates coming from JavaScript are replaced with U+FFFD.
    String(String),
    /// Into JavaScript only: a new `Uint8Array` over these bytes. From JavaScript a view arrives as [`Value::Object`].
    Bytes(Vec<u8>),
    /// Into JavaScript only: a new array. From JavaScript an array arrives as [`Value::Object`].
    List(Vec<Value>),
    /// Any other value: objects and functions, and from JavaScript also symbols and BigInts.
    Object(Handle),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Number(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Number(value.into())
    }
}
impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Number(value.into())
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::String(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::String(value)
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}
impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Value::List(value)
    }
}
impl From<Handle> for Value {
    fn from(value: Handle) -> Self {
        Value::Object(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    /// `None` is `null`.
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
