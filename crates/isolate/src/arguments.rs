//! Functions of the embedder that script can call, and their arguments.

use std::marker::PhantomData;

use crate::failure::Failure;
use crate::scope::Scope;
use crate::value::{Handle, Value};

/// A function of the embedder, a method of the global object `__host` while the bootstrap scripts run.
///
/// It runs on the isolate's thread, may call back into script, and may be entered again from there. A panic in it
/// becomes a JavaScript `Error`.
#[derive(Clone, Copy)]
pub struct HostFunction {
    /// Its property name on `__host` and its `name`.
    pub name: &'static str,
    /// Its `length`.
    pub length: u32,
    /// What it does.
    pub call: fn(&mut Scope<'_>, &Arguments<'_>) -> Result<Value, Throw>,
}

/// What a host function throws.
#[derive(Debug, Clone)]
pub enum Throw {
    /// A new `TypeError`.
    TypeError(String),
    /// A new `RangeError`.
    RangeError(String),
    /// A new `Error`.
    Error(String),
    /// A new `SyntaxError`.
    SyntaxError(String),
    /// This value.
    Value(Handle),
    /// Nothing: the isolate is being stopped, just unwind.
    Terminated,
}

impl From<Failure> for Throw {
    /// An exception goes on to the caller as it is; a termination unwinds.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Exception(exception) => Throw::Value(exception.value),
            Failure::Terminated(_) => Throw::Terminated,
        }
    }
}

/// The arguments of one call of a host function. The getters do not convert: a value of another type is a `TypeError`.
pub struct Arguments<'a> {
    _scope: PhantomData<&'a ()>,
}

impl Arguments<'_> {
    /// How many arguments were passed.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether no argument was passed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether argument `index` is `undefined` or missing.
    pub fn is_undefined(&self, index: usize) -> bool {
        let _ = index;
        todo!()
    }

    /// Whether argument `index` is `null`.
    pub fn is_null(&self, index: usize) -> bool {
        let _ = index;
        todo!()
    }

    /// A boolean.
    ///
    /// # Errors
    /// `TypeError` for any other type.
    pub fn bool(&self, index: usize) -> Result<bool, Throw> {
        let _ = index;
        todo!()
    }

    /// A number.
    ///
    /// # Errors
    /// `TypeError` for any other type.
    pub fn number(&self, index: usize) -> Result<f64, Throw> {
        let _ = index;
        todo!()
    }

    /// A string; lone surrogates are replaced with U+FFFD.
    ///
    /// # Errors
    /// `TypeError` for any other type.
    pub fn string(&self, index: usize) -> Result<String, Throw> {
        let _ = index;
        todo!()
    }

    /// A copy of the bytes of an `ArrayBuffer` or a view of one.
    ///
    /// # Errors
    /// `TypeError` for any other type and for a detached buffer.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, Throw> {
        let _ = index;
        todo!()
    }

    /// A dense array of strings.
    ///
    /// # Errors
    /// `TypeError` for anything else.
    pub fn strings(&self, index: usize) -> Result<Vec<String>, Throw> {
        let _ = index;
        todo!()
    }

    /// Any value; `undefined` when missing.
    ///
    /// # Errors
    /// `TypeError` when a string is too long to copy.
    pub fn value(&self, index: usize) -> Result<Value, Throw> {
        let _ = index;
        todo!()
    }

    /// A persistent root of the value, whatever it is; `undefined` when missing.
    pub fn handle(&self, index: usize) -> Handle {
        let _ = index;
        todo!()
    }
}
