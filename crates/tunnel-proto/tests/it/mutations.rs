//! Every decoder gets mutated vectors: a bounded, repeatable run of what the fuzz targets do without end.

use crate::vectors;
use tunnel_proto::fuzzing;
use tunnel_proto::http;
use tunnel_proto::token::Token;
use uuid::Uuid;

/// Runs for each pair of decoder and vector. `FUZZ_ROUNDS` raises it.
const ROUNDS: u64 = 150;

/// A small generator, so that a failure can be repeated from its seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

const INTERESTING: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0x10];

fn mutate(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = INTERESTING[random.below(INTERESTING.len())],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.next() as u8),
            4 => {
                let word = at / 8 * 8;
                let copy: Vec<u8> = bytes.iter().skip(random.below(bytes.len()) / 8 * 8).take(8).copied().collect();
                for (to, from) in bytes.iter_mut().skip(word).zip(copy) {
                    *to = from;
                }
            }
            _ => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
    bytes
}

#[test]
fn mutated_vectors_harm_no_decoder() {
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let token = Token { account: "a".to_owned(), tunnel: Uuid::from_u128(1), secret: vec![1; 32], endpoint: None };
    let mut seeds = vectors();
    seeds.push(("token".to_owned(), token.encode().into_bytes()));
    let fields = http::serialize_fields([("Content-Type", b"text/plain".as_slice()), ("Set-Cookie", b"a=1")]);
    seeds.push(("http_fields".to_owned(), fields.into_bytes()));
    for (decoder, run) in fuzzing::ALL {
        for (number, (name, seed)) in seeds.iter().enumerate() {
            run(seed);
            // RPC streams begin with a signature that is not the decoder's business.
            let seed = seed.strip_prefix(&tunnel_proto::stream::RPC_SIGNATURE).unwrap_or(seed);
            for round in 0..rounds {
                let mut random = Random(round << 8 | number as u64);
                let input = mutate(seed, &mut random);
                let outcome = std::panic::catch_unwind(|| run(&input));
                assert!(outcome.is_ok(), "decoder {decoder}, vector {name}, round {round}, input {input:02x?}");
            }
        }
    }
}
