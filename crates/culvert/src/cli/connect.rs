//! `culvert connect`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `culvert connect`
#[derive(Debug, Args)]
pub struct Connect {
    /// The tunnel's token, as `culvert tunnel token` prints it
    #[arg(long, value_name = "TOKEN", env = "TUNNEL_TOKEN", hide_env_values = true)]
    pub token: String,
    /// The edge; give it several times when there are several
    #[arg(long, value_name = "HOST:PORT", required = true)]
    pub edge: Vec<String>,
    /// The certificate authority of the edge, `tunnel-ca.pem` in its data directory [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Where to answer GET /ready and GET /metrics
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// How to reach the edge: QUIC over UDP, which names need; HTTP/2 over TCP; or whichever answers
    #[arg(long, value_enum, default_value = "auto")]
    pub protocol: ConnectProtocol,
    /// Destinations that may be connected to, `10.0.0.0/8` or `10.0.0.0/8:80,443`; several times for several [default: all]
    #[arg(long, value_name = "CIDR[:PORTS]")]
    pub allow: Vec<String>,
    /// Resolvers for the names of private services [default: those of /etc/resolv.conf]
    #[arg(long, value_name = "IP:PORT")]
    pub dns_resolver: Vec<SocketAddr>,
    /// How long flows may go on after SIGTERM, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub grace_period: u64,
}

/// How a connector reaches the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConnectProtocol {
    /// QUIC, and HTTP/2 as long as UDP gets no answer.
    Auto,
    /// QUIC only.
    Quic,
    /// HTTP/2 only.
    Http2,
}
