//! `culvert serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::configuration::TelemetrySettings;

/// `culvert serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Where everything is kept; made when it does not exist
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where visitors come in [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where the API is served [default: 127.0.0.1:8788]
    #[arg(long, value_name = "ADDR")]
    pub api: Option<SocketAddr>,
    /// Where connectors come in, by UDP and TCP [default: 127.0.0.1:7844]
    #[arg(long, value_name = "ADDR")]
    pub tunnel: Option<SocketAddr>,
    /// The database: sqlite:, a file in the data directory, or postgres://…, which several edges may share [default: sqlite:]
    #[arg(long, value_name = "URL", env = "CULVERT_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// The key that secrets are encrypted with, 64 hexadecimal digits; CULVERT_SECRETS_KEY may hold them instead
    /// [default: store.key in the data directory]
    #[arg(long, value_name = "FILE")]
    pub secrets_key_file: Option<PathBuf>,
    /// A TOML file with these options, named as here without the dashes; what is given here wins
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Let plain fetch() of Workers reach private, loopback and link-local addresses (bindings do not need it)
    #[arg(long)]
    pub allow_private_fetch: bool,
    /// Let the clocks of Workers run while code runs, instead of standing still between I/O as on Cloudflare
    #[arg(long)]
    pub running_clocks: bool,
    /// This edge's name in CDN-Loop and Proxy-Status headers; edges that pass requests to each other need different ones [default: culvert]
    #[arg(long, value_name = "NAME")]
    pub edge_name: Option<String>,
    /// Say in a Proxy-Status header (RFC 9209) why the edge answered by itself
    #[arg(long)]
    pub proxy_status: bool,
    /// Networks that no service may be in, besides those that are always forbidden; several times for several
    #[arg(long, value_name = "CIDR")]
    pub restrict: Vec<ipnet::IpNet>,
    /// How many CPU-milliseconds an invocation may be given at most, whatever its version asks for [default: 300000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=300_000))]
    pub max_cpu_ms: Option<u64>,
    /// How many microseconds the edge stays awake at most for what it waits for while it has little to do: costs CPU time, saves the time of
    /// waking up; 0 for never [default: 500]
    #[arg(long, value_name = "US", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub busy_poll_us: Option<u32>,
    /// How many isolates one Worker may have at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub max_isolates: Option<std::num::NonZeroUsize>,
    /// How many MiB of memory an isolate may use: heap, strings, buffers, WebAssembly, and what is held for it [default: 128]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..=4096))]
    pub isolate_memory_mib: Option<u32>,
    /// How many MiB of memory all isolates may use together [default: three quarters of the machine's, or of its cgroup's]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..))]
    pub isolates_memory_mib: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub telemetry: TelemetrySettings,
}
