//! Drives the built program from outside, as a user does: the program, HTTP, files, signals.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

mod bad_input;
mod commands;
mod counting;
mod demo;
mod diagnosis;
mod errors;
mod exports;
mod failures;
mod harness;
mod limits;
mod namespace;
mod networks;
mod private_service;
mod published;
mod services;
mod sockets;
mod survival;
mod tail_workers;
mod tailing;
mod tunnels;
mod visitors;
mod websockets;
