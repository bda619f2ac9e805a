//! Fuzzes `tunnel_proto::fuzzing::connect_response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::connect_response(input));
