//! Drives the built program from outside, as a user does: the program, HTTP, files, signals.
#![allow(clippy::unwrap_used, missing_docs)]

mod bad_input;
mod commands;
mod demo;
mod failures;
mod harness;
mod limits;
mod namespace;
mod private_service;
mod published;
mod survival;
mod tunnels;
mod visitors;
