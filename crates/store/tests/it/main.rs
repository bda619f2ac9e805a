//! The store through its public face, on real files.
#![allow(clippy::unwrap_used)]

mod crash;
mod fixture;
mod keys;
mod publishing;
mod registry;
mod tokens;
