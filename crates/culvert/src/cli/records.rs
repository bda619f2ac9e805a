//! What `culvert logs` and `culvert tail` show of what happened.

use clap::{Args, ValueEnum};
use uuid::Uuid;

/// `culvert logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Of this Worker
    #[arg(long, value_name = "NAME")]
    pub worker: Option<String>,
    /// Of this version
    #[arg(long, value_name = "ID")]
    pub version_id: Option<Uuid>,
    /// That ended so: ok, exception, exceededCpu, … or `error` for every failure of the Worker; commas between several
    #[arg(long, value_name = "OUTCOME,…")]
    pub outcome: Option<String>,
    /// That were answered with this status (404) or class (5xx)
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// With this text in the URL, a console line or an exception
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Of the request with this ray id
    #[arg(long, value_name = "RAY")]
    pub ray_id: Option<String>,
    /// That used at least so much CPU time
    #[arg(long, value_name = "MS")]
    pub min_cpu_ms: Option<f64>,
    /// That began then or later: a time, or a time ago such as 15m, 6h, 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// That began before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Older than those that ended with this cursor, which is printed where there are more
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// `culvert tail`
#[derive(Debug, Args)]
pub struct Tail {
    /// The Worker's name
    pub worker: String,
    /// That ended so; several times or with commas for several
    #[arg(long, value_enum, value_delimiter = ',')]
    pub status: Vec<TailStatus>,
    /// With this method; several times or with commas for several
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub method: Vec<String>,
    /// With this header, or with this text in it
    #[arg(long, value_name = "NAME[:TEXT]")]
    pub header: Vec<String>,
    /// From this address; `self` is yours
    #[arg(long, value_name = "IP")]
    pub ip: Vec<String>,
    /// With this text in a console line
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Of this version
    #[arg(long, value_name = "ID")]
    pub version_id: Option<Uuid>,
    /// Only this share of them, 0 to 1
    #[arg(long, value_name = "RATE")]
    pub sampling_rate: Option<f64>,
}

/// How an invocation ended, as a tail is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailStatus {
    /// The Worker answered.
    Ok,
    /// The Worker failed: an exception, or a limit.
    Error,
    /// The visitor went away.
    Canceled,
}

impl TailStatus {
    /// The outcomes that are meant.
    pub const fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Ok => &["ok"],
            Self::Error => {
                &["exception", "exceededCpu", "exceededMemory", "exceededWallTime", "internalError", "loadShed"]
            }
            Self::Canceled => &["canceled", "responseStreamDisconnected"],
        }
    }
}
