//! `OutgoingBody`: what script gives as the body of a response or of a subrequest.

use bytes::Bytes;
use isolate::{Arguments, Ledger, Throw, Value};

use super::held::hold;

/// A body on its way out.
pub(super) enum Outgoing {
    /// No body.
    None,
    /// All of it.
    Whole(Bytes),
    /// A native body, by its number.
    Native(u64),
    /// Script will write it.
    Script,
}

impl Outgoing {
    /// Argument `index`; what it holds is charged to the isolate.
    pub(super) fn from(arguments: &Arguments<'_>, index: usize, ledger: &Ledger) -> Result<Outgoing, Throw> {
        match arguments.value(index)? {
            Value::Undefined | Value::Null => Ok(Outgoing::None),
            Value::String(text) => Ok(Outgoing::Whole(hold(ledger, text.into_bytes()))),
            Value::Bool(true) => Ok(Outgoing::Script),
            Value::Number(_) => super::id(arguments, index).map(Outgoing::Native),
            _ => arguments.bytes(index).map(|bytes| Outgoing::Whole(hold(ledger, bytes))),
        }
    }
}
