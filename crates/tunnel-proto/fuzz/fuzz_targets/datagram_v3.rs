//! Fuzzes `tunnel_proto::fuzzing::datagram_v3`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tunnel_proto::fuzzing::datagram_v3(input));
