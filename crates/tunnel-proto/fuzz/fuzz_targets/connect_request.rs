//! Fuzzes `tunnel_proto::fuzzing::connect_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::connect_request(input));
