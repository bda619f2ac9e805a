//! `culvert deploy`

use std::path::PathBuf;

use clap::Args;
use uuid::Uuid;

/// `culvert deploy`
#[derive(Debug, Args)]
pub struct Deploy {
    /// The directory with the Worker
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// The Worker's name [default: `name` of the configuration]
    #[arg(long)]
    pub name: Option<String>,
    /// Bind a VPC Service, also in place of the configuration's
    #[arg(long, value_name = "BINDING=SERVICE_ID", value_parser = vpc_binding)]
    pub vpc_service: Vec<(String, Uuid)>,
    /// A message to keep with the version
    #[arg(long)]
    pub message: Option<String>,
    /// A tag to keep with the version
    #[arg(long)]
    pub tag: Option<String>,
}

fn vpc_binding(text: &str) -> Result<(String, Uuid), String> {
    let (name, id) = text.split_once('=').ok_or("expected BINDING=SERVICE_ID")?;
    let id =
        id.parse().map_err(|_| format!("`{id}` is not the id of a service; `culvert vpc service list` shows them"))?;
    Ok((name.to_owned(), id))
}
