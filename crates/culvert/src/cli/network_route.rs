//! `culvert tunnel route …`

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Api, Call};

/// `culvert tunnel route`
#[derive(Debug, Subcommand)]
pub enum TunnelRoute {
    /// Say that a range of addresses or a host name is behind a tunnel
    Add(Call<TunnelRouteAdd>),
    /// Show all routes
    List(Api),
    /// Remove a route
    Delete(Call<TunnelRouteDelete>),
}

/// `culvert tunnel route add`
#[derive(Debug, Args)]
pub struct TunnelRouteAdd {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
    /// For example 10.0.0.0/8, 10.0.0.5, db.internal or *.internal
    pub destination: String,
    /// What others should know of it
    #[arg(long, default_value = "")]
    pub comment: String,
}

/// `culvert tunnel route delete`
#[derive(Debug, Args)]
pub struct TunnelRouteDelete {
    /// The route's id
    #[arg(value_name = "ID")]
    pub route: Uuid,
}
