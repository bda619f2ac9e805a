//! What happened: one record per invocation, one event per connection attempt, and metrics of both.
//!
//! [`Telemetry`] keeps facts in a SQLite file of its own, or in a PostgreSQL database. Recording a fact takes a lock for well under a microsecond and
//! never waits: facts go into a bounded queue, a task writes them in batches, and what cannot be kept is dropped and counted
//! ([`Losses`]). Metrics are counted at the moment of recording, before anything can be dropped, and so are exact.
//!
//! Facts are stored redacted: no secret header and no identifier in a URL ever reaches the database.
//!
//! This crate does not know who makes facts, nor who asks for them.

mod access_log;
mod codes;
mod connections;
mod database;
mod details;
mod error;
mod filter;
mod invocations;
mod keeper;
mod line_room;
mod live;
mod logs;
mod lost;
mod metrics;
mod options;
mod otlp;
mod queue;
mod record;
mod redact;
mod retention;
mod sampling;
mod span_id;
mod trigrams;
mod view;
mod writer;

pub use access_log::AccessLogTarget;
pub use database::TelemetryLocation;
pub use error::{InvalidFilter, TelemetryError};
pub use filter::{ConnectionFilter, Cursor, InvocationFilter, Page, Paging, Status};
pub use keeper::Telemetry;
pub use live::{LiveItem, LiveReader};
pub use logs::{LogAnswer, LogQuestion};
pub use metrics::prometheus::PrometheusFormat;
pub use metrics::query::{MetricsQuery, MetricsSubject};
pub use options::{Keep, TelemetryOptions};
pub use otlp::{OtlpOptions, messages as otlp_messages};
pub use queue::{LossCounts, Losses};
pub use record::{
    ConnectionEvent, ConsoleLine, ExceptionRecord, ExchangeRecord, InvocationRecord, Level, Sink, SubrequestRecord,
};
pub use sampling::Sampling;
pub use span_id::subrequest_span;
pub use view::{ConnectionView, EventView, FailureView, InvocationView, RequestView, ResponseView, ScriptVersion};
