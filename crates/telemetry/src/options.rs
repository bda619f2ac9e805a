//! What can be set, with its defaults.

use std::time::Duration;

use crate::access_log::AccessLogTarget;
use crate::otlp::OtlpOptions;

/// What is kept in the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every fact, and metrics.
    #[default]
    Facts,
    /// Metrics only.
    Metrics,
    /// Nothing. Facts still go to the access log, to a collector and to live readers.
    Nothing,
}

/// How much is kept, and how.
#[derive(Debug, Clone)]
pub struct TelemetryOptions {
    /// What is kept.
    pub keep: Keep,
    /// Where the access log goes, if there is one.
    pub access_log: Option<AccessLogTarget>,
    /// Where traces, logs and metrics are sent, if anywhere.
    pub otlp: Option<OtlpOptions>,
    /// At most this long after it was recorded a fact is in the database.
    pub flush_interval: Duration,
    /// How many facts may wait to be written; more are dropped and counted.
    pub queue_facts: usize,
    /// How many bytes they may hold.
    pub queue_bytes: usize,
    /// How many uneventful invocations (outcome `ok`) are kept a second, and a quarter of it while there are more than twice
    /// as many; the rest are shed and counted. Those that went wrong have as many again for themselves. Metrics count all of
    /// them.
    pub max_invocations_per_second: u32,
    /// The same for connection events: successes, and as many failures again.
    pub max_connections_per_second: u32,
    /// How long invocations with their logs are kept.
    pub invocation_retention: Duration,
    /// How long connection events are kept.
    pub connection_retention: Duration,
    /// How long metrics by the minute are kept.
    pub minute_retention: Duration,
    /// How long metrics by the hour and by the day are kept.
    pub rollup_retention: Duration,
    /// The size, in bytes, above which the oldest facts go before their time.
    pub max_bytes: u64,
    /// How many facts a slow live reader may be behind before it loses the oldest.
    pub live_buffer: usize,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            keep: Keep::Facts,
            access_log: None,
            otlp: None,
            flush_interval: Duration::from_millis(500),
            queue_facts: 20_000,
            queue_bytes: 64 << 20,
            max_invocations_per_second: 1_000,
            max_connections_per_second: 2_000,
            invocation_retention: 7 * DAY,
            connection_retention: DAY,
            minute_retention: 2 * DAY,
            rollup_retention: 90 * DAY,
            max_bytes: 8 << 30,
            live_buffer: 1024,
        }
    }
}
