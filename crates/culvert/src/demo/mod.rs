//! `culvert demo`: the whole product on one machine, as separate processes over real sockets, in plain words.

mod private_network;
mod private_service;
mod story;
mod wire;

use crate::cli;
use crate::commands::on_one_thread;
use crate::failure::Failure;

/// Runs the demo, or one of the processes that it is made of.
pub fn run(arguments: cli::Demo) -> Result<(), Failure> {
    let argument = |what: &str| {
        arguments
            .at
            .clone()
            .ok_or_else(|| Failure::usage(format!("--role needs --at {what}; `culvert demo` starts its roles itself")))
    };
    match arguments.role {
        None => on_one_thread(story::tell(arguments.once)),
        Some(cli::DemoRole::PrivateService) => on_one_thread(private_service::serve(argument("ADDR")?)),
        Some(cli::DemoRole::WireInside) => on_one_thread(wire::inside(argument("SOCKET")?)),
    }
}
