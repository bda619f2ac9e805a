//! Tests of the whole crate: captured bytes, pairs of machines, mutated input.
#![allow(clippy::unwrap_used, clippy::panic)]

mod golden;
mod mutations;
mod pair;
mod round_trip;

use std::path::Path;

/// The bytes of `tests/vectors/NAME.hex`: hexadecimal text, lines beginning with `#` say what it is.
fn vector(name: &str) -> Vec<u8> {
    let path = Path::new("tests/vectors").join(format!("{name}.hex"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    decode_hex(&text)
}

/// Every vector with its name, in order.
fn vectors() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new("tests/vectors");
    let mut vectors: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, decode_hex(&std::fs::read_to_string(&path).unwrap()))
        })
        .collect();
    vectors.sort();
    assert!(!vectors.is_empty());
    vectors
}

fn decode_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.trim().bytes())
        .map(|digit| char::from(digit).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
