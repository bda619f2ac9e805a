//! Fuzzes `tunnel_proto::fuzzing::http_heads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::http_heads(input));
