//! Fuzzes `tunnel_proto::fuzzing::rpc_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::rpc_server(input));
