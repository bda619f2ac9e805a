//! `culvert demo`

use clap::{Args, ValueEnum};

/// `culvert demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the last step: exit code 0 when every step did what it says, 1 otherwise
    #[arg(long)]
    pub once: bool,
    /// One of the demo's own processes; the demo starts them itself
    #[arg(long, value_enum, hide = true)]
    pub role: Option<DemoRole>,
    /// A role's own argument
    #[arg(long, hide = true, requires = "role")]
    pub at: Option<String>,
    /// A role's own argument
    #[arg(long, hide = true, requires = "role")]
    pub token: Option<String>,
}

/// The processes that make up the demo's private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoRole {
    /// The private HTTP service.
    PrivateService,
    /// The private network's end of the wire to the outside.
    WireInside,
}
