//! `culvert token …`

use clap::{Args, Subcommand};

use super::{Api, ById, Call};

/// `culvert token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it; it is shown this once
    Create(Call<TokenCreate>),
    /// Show all tokens
    List(Api),
    /// Make a token useless from now on
    Revoke(Call<ById>),
}

/// `culvert token create`
#[derive(Debug, Args)]
pub struct TokenCreate {
    /// A name for people
    pub name: String,
    /// What it may do, `workers-scripts.read` for example; several times or with commas for several
    #[arg(long = "permission", value_name = "PERMISSION", required = true, value_delimiter = ',')]
    pub permissions: Vec<String>,
    /// When it expires, as in 2030-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
}
