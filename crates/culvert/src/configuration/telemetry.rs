//! What is recorded and for how long, where the access log goes, and who is sent traces, logs and metrics.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use telemetry::{AccessLogTarget, Keep, OtlpOptions, TelemetryOptions};

use crate::failure::Failure;

/// The options, each on the command line or in the configuration file.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = "Telemetry")]
#[serde(default, rename_all = "kebab-case")]
pub struct TelemetrySettings {
    /// Write one JSON line for each visitor's request to FILE, or to standard output; SIGHUP begins the file anew
    #[arg(long, value_name = "FILE|-")]
    pub access_log: Option<PathBuf>,
    /// Send traces, logs and metrics to the OpenTelemetry collector there, by OTLP over HTTP: http://127.0.0.1:4318
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Headers for the collector: NAME=VALUE,…
    #[arg(long, value_name = "HEADERS", env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true)]
    pub otlp_headers: Option<String>,
    /// Which share of requests begins a trace, when traces are sent and the visitor's request is in none, 0 to 1 [default: 1]
    #[arg(long, value_name = "RATE")]
    pub trace_sampling_rate: Option<f64>,
    /// What is kept in the data directory [default: full]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub telemetry: Option<Kept>,
    /// How long records of invocations are kept, as in 12h or 30d [default: 7d]
    #[arg(long, value_name = "TIME")]
    pub log_retention: Option<Age>,
    /// How long records of connection attempts are kept [default: 1d]
    #[arg(long, value_name = "TIME")]
    pub event_retention: Option<Age>,
    /// How long metrics by the hour and by the day are kept [default: 90d]
    #[arg(long, value_name = "TIME")]
    pub metrics_retention: Option<Age>,
    /// The size in megabytes above which the oldest records go before their time [default: 8192]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(16..))]
    pub max_telemetry_mb: Option<u64>,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// Records and metrics.
    Full,
    /// Metrics alone.
    Metrics,
    /// Nothing.
    Off,
}

/// A time such as `12h` or `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 60 * 60,
            Some(b'd') => 24 * 60 * 60,
            _ => 0,
        };
        let count = text.get(..text.len().saturating_sub(1)).and_then(|digits| digits.parse::<u32>().ok());
        match count {
            Some(count) if seconds > 0 && count > 0 => Ok(Self(Duration::from_secs(u64::from(count) * seconds))),
            _ => Err(format!("`{text}` is not a time such as 90s, 15m, 12h or 30d")),
        }
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TelemetrySettings {
    /// These, and what is not said here as `others` say.
    pub fn or(self, others: Self) -> Self {
        Self {
            access_log: self.access_log.or(others.access_log),
            otlp_endpoint: self.otlp_endpoint.or(others.otlp_endpoint),
            otlp_headers: self.otlp_headers.or(others.otlp_headers),
            trace_sampling_rate: self.trace_sampling_rate.or(others.trace_sampling_rate),
            telemetry: self.telemetry.or(others.telemetry),
            log_retention: self.log_retention.or(others.log_retention),
            event_retention: self.event_retention.or(others.event_retention),
            metrics_retention: self.metrics_retention.or(others.metrics_retention),
            max_telemetry_mb: self.max_telemetry_mb.or(others.max_telemetry_mb),
        }
    }

    /// The share of requests that begin a trace; none are traced when nobody is sent traces.
    pub fn trace_sampling(&self) -> Result<Option<f64>, Failure> {
        let rate = self.trace_sampling_rate.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&rate) {
            return Err(Failure::usage(format!("the trace sampling rate is {rate}, and 0 to 1 are possible")));
        }
        Ok(self.otlp_endpoint.is_some().then_some(rate))
    }

    /// As `telemetry` takes them.
    pub fn options(&self) -> Result<TelemetryOptions, Failure> {
        let default = TelemetryOptions::default();
        let keep = match self.telemetry {
            None | Some(Kept::Full) => Keep::Facts,
            Some(Kept::Metrics) => Keep::Metrics,
            Some(Kept::Off) => Keep::Nothing,
        };
        let access_log = self.access_log.as_ref().map(|path| match path.to_str() {
            Some("-") => AccessLogTarget::StandardOutput,
            _ => AccessLogTarget::File(path.clone()),
        });
        let otlp = match &self.otlp_endpoint {
            Some(endpoint) => {
                Some(OtlpOptions { headers: headers(self.otlp_headers.as_deref())?, ..OtlpOptions::new(endpoint) })
            }
            None => None,
        };
        let age = |given: Option<Age>, default: Duration| given.map_or(default, |age| age.0);
        let rollup_retention = age(self.metrics_retention, default.rollup_retention);
        Ok(TelemetryOptions {
            keep,
            access_log,
            otlp,
            invocation_retention: age(self.log_retention, default.invocation_retention),
            connection_retention: age(self.event_retention, default.connection_retention),
            rollup_retention,
            minute_retention: default.minute_retention.min(rollup_retention),
            max_bytes: self.max_telemetry_mb.map_or(default.max_bytes, |megabytes| megabytes.saturating_mul(1 << 20)),
            ..default
        })
    }
}

/// `name=value,…`, as OpenTelemetry writes headers.
fn headers(text: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let pairs = text.unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let pair = pair.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
            // The value may be a secret, so it is not shown.
            pair.ok_or_else(|| Failure::usage("the headers for the OTLP endpoint must have the form NAME=VALUE,…"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        assert_eq!("12h".parse(), Ok(Age(Duration::from_secs(43_200))));
        for wrong in ["", "d", "7", "0d", "7w", "-1d", "é"] {
            assert!(wrong.parse::<Age>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_said_first_wins_and_the_rest_has_its_default() {
        let first = TelemetrySettings { log_retention: Some(Age(Duration::from_secs(60))), ..Default::default() };
        let file: TelemetrySettings = toml::from_str(
            "log-retention = \"3d\"\nevent-retention = \"2h\"\naccess-log = \"-\"\ntelemetry = \"metrics\"",
        )
        .unwrap();
        let options = first.or(file).options().unwrap();
        assert_eq!(options.invocation_retention, Duration::from_secs(60));
        assert_eq!(options.connection_retention, Duration::from_secs(7200));
        assert_eq!(options.rollup_retention, TelemetryOptions::default().rollup_retention);
        assert_eq!((options.access_log, options.keep), (Some(AccessLogTarget::StandardOutput), Keep::Metrics));
    }

    #[test]
    fn headers_are_pairs() {
        let pairs = headers(Some("a=1, x-key = two=2 ")).unwrap();
        assert_eq!(pairs, [("a".to_owned(), "1".to_owned()), ("x-key".to_owned(), "two=2".to_owned())]);
        assert!(headers(Some("secret")).is_err());
    }
}
