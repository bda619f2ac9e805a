//! What happened: one record per invocation, one event per connection attempt.

mod record;

pub use record::{ConnectionEvent, ConsoleLine, ExceptionRecord, InvocationRecord, Level, Sink, SubrequestRecord};
