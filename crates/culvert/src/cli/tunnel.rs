//! `culvert tunnel …`

use clap::{Args, Subcommand};

use super::{Api, Call, TunnelRoute};

/// `culvert tunnel`
#[derive(Debug, Subcommand)]
pub enum Tunnel {
    /// Make a tunnel and print how to connect it
    Create(Call<TunnelCreate>),
    /// Show all tunnels
    List(Api),
    /// Show a tunnel's connectors, and what should be known of them
    Info(Call<TunnelByName>),
    /// Print a tunnel's token, for `culvert connect` and `cloudflared`
    Token(Call<TunnelByName>),
    /// Publish a private HTTP service at a host name
    Publish(Call<TunnelPublish>),
    /// Take a host name from a tunnel
    Unpublish(Call<TunnelUnpublish>),
    /// What is behind which tunnel, for VPC Networks
    #[command(subcommand)]
    Route(TunnelRoute),
    /// Remove a tunnel and cut its connections
    Delete(Call<TunnelByName>),
}

/// `culvert tunnel publish`
#[derive(Debug, Args)]
pub struct TunnelPublish {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
    /// The host name; `*.` at its beginning stands for every name below
    pub hostname: String,
    /// Where the connector reaches the service, for example http://10.0.0.5:8080; leave it out when the connector's own
    /// configuration file says so
    #[arg(long, value_name = "URL")]
    pub service: Option<String>,
}

/// `culvert tunnel unpublish`
#[derive(Debug, Args)]
pub struct TunnelUnpublish {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
    /// The host name
    pub hostname: String,
}

/// `culvert tunnel create`
#[derive(Debug, Args)]
pub struct TunnelCreate {
    /// A name for people
    pub name: String,
}

/// A tunnel by its id or its name.
#[derive(Debug, Args)]
pub struct TunnelByName {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
}
