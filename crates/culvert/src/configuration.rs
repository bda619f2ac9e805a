//! How an edge is to run: the command line, then the configuration file, then the defaults.

mod telemetry;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use ipnet::IpNet;
use serde::Deserialize;
use store::{DatabaseLocation, KeySource, Secret, StoreError};

use crate::cli;
use crate::failure::Failure;
pub use telemetry::TelemetrySettings;

/// The most CPU time that an operator may allow an invocation, in milliseconds.
const MAX_CPU_MS: u64 = 300_000;

/// What an isolate may be given, in MiB. Less than the least would not hold the built-ins and any work.
const ISOLATE_MEMORY_MIB: RangeInclusive<u64> = 16..=4096;
/// What all isolates may be given, in MiB.
const ISOLATES_MEMORY_MIB: RangeInclusive<u64> = 64..=u32::MAX as u64;
/// How long the edge may stay awake, in microseconds.
const BUSY_POLL_US: RangeInclusive<u64> = 0..=10_000;

/// Bytes.
fn mebibytes(count: Option<u32>) -> Option<usize> {
    count.and_then(|count| usize::try_from(count).ok()?.checked_mul(1024 * 1024))
}

/// Holds the key that secrets are encrypted with, where it is in no file. No argument: those are seen by everyone.
const SECRETS_KEY: &str = "CULVERT_SECRETS_KEY";

/// How an edge is to run.
#[derive(Debug)]
pub struct Configuration {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where the configuration is kept.
    pub database: DatabaseLocation,
    /// The key that secrets are encrypted with.
    pub secrets_key: KeySource,
    /// Where visitors come in.
    pub http: SocketAddr,
    /// Where the API is served.
    pub api: SocketAddr,
    /// Where connectors come in.
    pub tunnel: SocketAddr,
    /// Whether plain `fetch()` reaches private addresses.
    pub allow_private_fetch: bool,
    /// Whether the clocks of Workers run while code runs.
    pub running_clocks: bool,
    /// The edge's name in `CDN-Loop` and `Proxy-Status`.
    pub edge_name: String,
    /// Whether `Proxy-Status` says why the edge answered by itself.
    pub proxy_status: bool,
    /// Networks that no service may be in.
    pub restrict: Vec<IpNet>,
    /// The most CPU time that a version may ask for.
    pub cpu_ceiling: Duration,
    /// How long the edge stays awake at most for what it waits for; its own choice when absent.
    pub busy_poll: Option<Duration>,
    /// The most isolates of one Worker; by the number of cores when absent.
    pub max_isolates: Option<NonZeroUsize>,
    /// Bytes of memory of one isolate; Workers' usual amount when absent.
    pub isolate_memory: Option<usize>,
    /// Bytes of memory of all isolates; by the machine's memory when absent.
    pub isolates_memory: Option<usize>,
    /// What is recorded, and who is told.
    pub telemetry: TelemetrySettings,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    http: Option<SocketAddr>,
    api: Option<SocketAddr>,
    tunnel: Option<SocketAddr>,
    database: Option<String>,
    secrets_key_file: Option<PathBuf>,
    allow_private_fetch: Option<bool>,
    running_clocks: Option<bool>,
    edge_name: Option<String>,
    proxy_status: Option<bool>,
    /// Ranges of addresses.
    #[serde(default, deserialize_with = "ranges")]
    restrict: Vec<IpNet>,
    max_cpu_ms: Option<u64>,
    busy_poll_us: Option<u32>,
    max_isolates: Option<NonZeroUsize>,
    isolate_memory_mib: Option<u32>,
    isolates_memory_mib: Option<u32>,
    #[serde(flatten)]
    telemetry: TelemetrySettings,
}

impl File {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let wrong = |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", path.display()));
        let file: Self = toml::from_str(text).map_err(|error| wrong(&error))?;
        let bounded = |name: &str, given: Option<u64>, bounds: RangeInclusive<u64>| match given {
            Some(given) if !bounds.contains(&given) => {
                Err(wrong(&format_args!("{name} is {given}, and {} to {} are possible", bounds.start(), bounds.end())))
            }
            _ => Ok(()),
        };
        bounded("max-cpu-ms", file.max_cpu_ms, 1..=MAX_CPU_MS)?;
        bounded("busy-poll-us", file.busy_poll_us.map(u64::from), BUSY_POLL_US)?;
        bounded("isolate-memory-mib", file.isolate_memory_mib.map(u64::from), ISOLATE_MEMORY_MIB)?;
        bounded("isolates-memory-mib", file.isolates_memory_mib.map(u64::from), ISOLATES_MEMORY_MIB)?;
        Ok(file)
    }
}

impl Configuration {
    /// What the arguments, and the file that they name, say.
    pub fn of(arguments: cli::Serve) -> Result<Self, Failure> {
        let file = arguments.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let database = match arguments.database.or(file.database) {
            Some(url) => url.parse().map_err(|error: StoreError| Failure::usage(error.to_string()))?,
            None => DatabaseLocation::default(),
        };
        let secrets_key = match (arguments.secrets_key_file.or(file.secrets_key_file), env::var_os(SECRETS_KEY)) {
            (Some(path), _) => KeySource::File(path),
            (None, Some(key)) => KeySource::Given(Secret::new(key.into_encoded_bytes())),
            (None, None) => KeySource::DataDirectory,
        };
        let edge_name = arguments.edge_name.or(file.edge_name).unwrap_or_else(|| "culvert".to_owned());
        if !is_token(&edge_name) {
            return Err(Failure::usage(format!(
                "the edge's name `{edge_name}` cannot be written into headers: letters, digits, `-`, `.` and `_` can, beginning with a letter"
            )));
        }
        let restrict = if arguments.restrict.is_empty() { file.restrict } else { arguments.restrict };
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            data_dir: arguments.data_dir,
            database,
            secrets_key,
            http: arguments.http.or(file.http).unwrap_or(loopback(8787)),
            api: arguments.api.or(file.api).unwrap_or(loopback(8788)),
            tunnel: arguments.tunnel.or(file.tunnel).unwrap_or(loopback(7844)),
            allow_private_fetch: arguments.allow_private_fetch || file.allow_private_fetch.unwrap_or(false),
            running_clocks: arguments.running_clocks || file.running_clocks.unwrap_or(false),
            edge_name,
            proxy_status: arguments.proxy_status || file.proxy_status.unwrap_or(false),
            restrict,
            cpu_ceiling: Duration::from_millis(arguments.max_cpu_ms.or(file.max_cpu_ms).unwrap_or(MAX_CPU_MS)),
            busy_poll: arguments.busy_poll_us.or(file.busy_poll_us).map(|micros| Duration::from_micros(micros.into())),
            max_isolates: arguments.max_isolates.or(file.max_isolates),
            isolate_memory: mebibytes(arguments.isolate_memory_mib.or(file.isolate_memory_mib)),
            isolates_memory: mebibytes(arguments.isolates_memory_mib.or(file.isolates_memory_mib)),
            telemetry: arguments.telemetry.or(file.telemetry),
        })
    }
}

/// Reads a list of ranges such as `10.0.0.0/8`.
fn ranges<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read =
        |text: &String| text.parse().map_err(|_| format!("`{text}` is not a range of addresses such as 10.0.0.0/8"));
    texts.iter().map(read).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

/// Whether a name can be written into headers as it is.
fn is_token(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    fn configuration(file: &str, more: &[&str]) -> Result<Configuration, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("culvert.toml");
        fs::write(&path, file).unwrap();
        let path = path.to_str().unwrap();
        let words = [&["culvert", "serve", "--data-dir", "d", "--config", path], more].concat();
        match cli::Arguments::parse_from(words).command {
            cli::Command::Serve(arguments) => Configuration::of(*arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
        let read =
            configuration("http = \"127.0.0.1:1\"\napi = \"127.0.0.1:2\"\nmax-cpu-ms = 50", &["--http", "127.0.0.1:3"]);
        let read = read.unwrap();
        assert_eq!([read.http.port(), read.api.port(), read.tunnel.port()], [3, 2, 7844]);
        assert_eq!(read.cpu_ceiling, Duration::from_millis(50));
    }

    #[test]
    fn memory_is_given_in_mebibytes() {
        let read = configuration("isolate-memory-mib = 64", &["--isolates-memory-mib", "1000"]).unwrap();
        assert_eq!((read.isolate_memory, read.isolates_memory), (Some(64 << 20), Some(1000 << 20)));
    }

    #[test]
    fn staying_awake_can_be_turned_off() {
        assert_eq!(configuration("", &[]).unwrap().busy_poll, None);
        assert_eq!(configuration("busy-poll-us = 0", &[]).unwrap().busy_poll, Some(Duration::ZERO));
        let given = configuration("busy-poll-us = 0", &["--busy-poll-us", "250"]).unwrap();
        assert_eq!(given.busy_poll, Some(Duration::from_micros(250)));
    }

    #[test]
    fn a_database_url_is_taken_and_its_password_not_shown() {
        let read = configuration("", &["--database", "postgres://ops:hunter2@db/culvert"]).unwrap();
        assert!(matches!(read.database, DatabaseLocation::Postgres(_)));
        assert!(!format!("{read:?}").contains("hunter2"));
        let read = configuration("secrets-key-file = \"k\"", &[]).unwrap();
        assert!(matches!(read.secrets_key, KeySource::File(path) if path == Path::new("k")));
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named() {
        for (file, named) in [
            ("htpp = 1", "htpp"),
            ("max-cpu-ms = 0", "max-cpu-ms"),
            ("http = \"here\"", "http"),
            ("edge-name = \"a, b\"", "a, b"),
            ("restrict = [\"10.0.0.0/33\"]", "restrict"),
            ("isolate-memory-mib = 1", "isolate-memory-mib"),
            ("busy-poll-us = 10001", "busy-poll-us"),
        ] {
            let failure = configuration(file, &[]).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().contains(named), "{failure}");
        }
        let failure = configuration("database = \"mysql://db/culvert\"", &[]).unwrap_err();
        assert!(failure.to_string().contains("postgres://"), "{failure}");
    }
}
