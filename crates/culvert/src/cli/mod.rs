//! The command line, as other people's scripts rely on it: the commands, and a room for the options of each.

mod api;
mod connect;
mod demo;
mod deploy;
mod diagnose;
mod network_route;
mod records;
mod serve;
mod token;
mod tunnel;
mod vpc;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use api::{Api, ById, Call};
pub use connect::{Connect, ConnectProtocol};
pub use demo::{Demo, DemoRole};
pub use deploy::Deploy;
pub use diagnose::Diagnose;
pub use network_route::{TunnelRoute, TunnelRouteAdd, TunnelRouteDelete};
pub use records::{Logs, Tail};
pub use serve::Serve;
pub use token::Token;
pub use tunnel::{Tunnel, TunnelPublish, TunnelUnpublish};
pub use vpc::{CertificateId, ServiceFields, ServiceType, Vpc, VpcService};

/// Runs JavaScript Workers on machines you own, and lets them call private services through outbound-only tunnels.
#[derive(Debug, Parser)]
#[command(name = "culvert", version, max_term_width = 110, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything on one machine: a private service, a tunnel, Workers, traffic and failures
    Demo(Demo),
    /// Run the edge: visitors, the API, and the tunnels' listener
    Serve(Box<Serve>),
    /// Connect a private network to an edge through an outbound-only tunnel
    Connect(Connect),
    /// Deploy the Worker in a directory, as its wrangler.jsonc, wrangler.json or wrangler.toml says
    Deploy(Call<Deploy>),
    /// Private services that Workers can be bound to
    #[command(subcommand)]
    Vpc(Vpc),
    /// Tunnels from the edge into private networks
    #[command(subcommand)]
    Tunnel(Tunnel),
    /// Read the records of invocations, newest first
    Logs(Box<Call<Logs>>),
    /// Watch a Worker's invocations as they end
    Tail(Box<Call<Tail>>),
    /// Tokens for the API
    #[command(subcommand)]
    Token(Token),
    /// Connect to a private service now and say what each phase found
    Diagnose(Box<Call<Diagnose>>),
    /// Copy the configuration's database to a file, also while the edge runs
    Backup(Backup),
    /// Say what a connection error means and how to mend it
    Explain(Explain),
}

/// `culvert backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// The edge's data directory
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

/// `culvert explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The code in `ProxyError: CODE`; all of them when it is left out
    pub code: Option<String>,
    /// Print the rows as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
