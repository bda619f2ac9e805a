//! Fuzzes `tunnel_proto::fuzzing::rpc_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::rpc_client(input));
