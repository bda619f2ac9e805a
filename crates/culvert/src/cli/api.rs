//! The options of every command that talks to an API.

use std::path::PathBuf;

use clap::Args;
use uuid::Uuid;

/// Which API to talk to, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "API")]
pub struct Api {
    /// Where the edge serves its API
    #[arg(long = "api", value_name = "URL", env = "CULVERT_API", default_value = "http://127.0.0.1:8788", value_parser = api_url)]
    pub url: String,
    /// An API token [default: the admin-token in --data-dir]
    #[arg(long = "api-token", value_name = "TOKEN", env = "CULVERT_API_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The edge's data directory, to take its admin-token from
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print what the API answers, as JSON; records and events one a line
    #[arg(long)]
    pub json: bool,
}

/// A command that talks to an API.
#[derive(Debug, Args)]
pub struct Call<T: Args> {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub what: T,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// Something by its id.
#[derive(Debug, Args)]
pub struct ById {
    /// The id
    pub id: Uuid,
}

fn api_url(text: &str) -> Result<String, String> {
    let url: http::Uri =
        text.parse().map_err(|error| format!("{error}; a URL such as http://127.0.0.1:8788 is expected"))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(text.to_owned()),
        _ => Err("a URL such as http://127.0.0.1:8788 is expected".to_owned()),
    }
}
