//! Drives the built program from outside, as a user does: the program, HTTP, files, signals.
#![allow(clippy::unwrap_used, missing_docs)]

mod bad_input;
mod commands;
mod counting;
mod demo;
mod diagnosis;
mod errors;
mod exchanges;
mod exports;
mod failures;
mod harness;
mod limits;
mod namespace;
mod networks;
mod private_service;
mod public_network;
mod published;
mod services;
mod sockets;
mod survival;
mod tail_workers;
mod tailing;
mod tunnels;
mod visitors;
mod websockets;
