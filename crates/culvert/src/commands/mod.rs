//! One room per command. Each gets its arguments and ends with what it did or a [`Failure`].

pub mod backup;
pub mod connect;
pub mod deploy;
pub mod diagnose;
pub mod explain;
pub mod logs;
pub mod serve;
pub mod signals;
pub mod tail;
pub mod token;
pub mod tunnel;
pub mod vpc;

mod log;
mod network_route;
mod records;

use std::future::Future;
use std::num::NonZeroUsize;

use tokio::runtime::{Builder, Runtime};

use crate::cli::{Arguments, Command};
use crate::demo;
use crate::failure::Failure;

/// Does what the command line says.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Connect(arguments) => connect::run(arguments),
        Command::Deploy(arguments) => on_one_thread(deploy::run(arguments)),
        Command::Diagnose(arguments) => on_one_thread(diagnose::run(*arguments)),
        Command::Vpc(arguments) => on_one_thread(vpc::run(arguments)),
        Command::Tunnel(arguments) => on_one_thread(tunnel::run(arguments)),
        Command::Logs(arguments) => on_one_thread(logs::run(*arguments)),
        Command::Tail(arguments) => on_one_thread(tail::run(*arguments)),
        Command::Token(arguments) => on_one_thread(token::run(arguments)),
        Command::Backup(arguments) => on_one_thread(backup::run(arguments)),
        Command::Explain(arguments) => explain::run(&arguments),
    }
}

/// An event loop on so many threads.
pub fn event_loop(threads: NonZeroUsize) -> Result<Runtime, Failure> {
    built(Builder::new_multi_thread().worker_threads(threads.get()))
}

fn built(event_loop: &mut Builder) -> Result<Runtime, Failure> {
    event_loop.enable_all().build().map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))
}

/// As many as there are processors.
pub fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Half as many: a loop whose work comes from other threads and goes to them wakes as many of its own as it has, whether there is work for them
/// or not.
pub fn half_the_processors() -> NonZeroUsize {
    NonZeroUsize::new(processors().get() / 2).unwrap_or(NonZeroUsize::MIN)
}

/// Runs a short command's future on this thread.
pub fn on_one_thread<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    built(&mut Builder::new_current_thread())?.block_on(command)
}
