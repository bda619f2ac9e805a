//! `culvert diagnose`

use clap::{Args, ValueEnum};
use uuid::Uuid;

/// `culvert diagnose`
#[derive(Debug, Args)]
pub struct Diagnose {
    /// The VPC Service's id or name
    #[arg(value_name = "ID|NAME")]
    pub service: String,
    /// By this scheme [default: https where a port is registered for it, http otherwise]
    #[arg(long, value_enum)]
    pub scheme: Option<UrlScheme>,
    /// With this Host, also the name that the certificate must have [default: the service's host name or address]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Ask for this path [default: the first that the service's policy allows]
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Through this connector [default: the one that requests take]
    #[arg(long, value_name = "ID")]
    pub connector: Option<Uuid>,
}

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UrlScheme {
    /// Plain.
    Http,
    /// With TLS.
    Https,
}

impl UrlScheme {
    /// The spelling in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
