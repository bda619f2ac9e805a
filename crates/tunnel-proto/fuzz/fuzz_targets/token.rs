//! Fuzzes `tunnel_proto::fuzzing::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::token(input));
