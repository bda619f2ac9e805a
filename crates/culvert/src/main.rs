//! The program: reads the command line, does what it says, and ends with 0 (done), 1 (refused or failed) or 2 (wrong usage).

// What `serve` waits for is nested deeply, and its being `Send` is proved level by level.
#![recursion_limit = "256"]

mod api_client;
mod cli;
mod commands;
mod configuration;
mod dashboard;
mod demo;
mod failure;
mod output;
mod project;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("culvert: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
