//! AES-GCM (NIST SP 800-38D) with nonces of any length and tags of 32 to 128 bits.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::aes::{self, BLOCK};

/// The length of nonce that aws-lc has a fast way for.
const USUAL_NONCE: usize = 12;

fn usual(key: &[u8], nonce: &[u8]) -> Option<(LessSafeKey, Nonce)> {
    let algorithm = match key.len() {
        16 => &aead::AES_128_GCM,
        24 => &aead::AES_192_GCM,
        32 => &aead::AES_256_GCM,
        _ => return None,
    };
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    Some((LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?), nonce))
}

/// Enciphers and appends the tag.
pub(crate) fn seal(key: &[u8], nonce: &[u8], additional: &[u8], tag: usize, mut data: Vec<u8>) -> Option<Vec<u8>> {
    if nonce.len() == USUAL_NONCE {
        let (key, nonce) = usual(key, nonce)?;
        let full = key.seal_in_place_separate_tag(nonce, Aad::from(additional), &mut data).ok()?;
        data.extend_from_slice(full.as_ref().get(..tag)?);
        return Some(data);
    }
    let start = first_counter(key, nonce)?;
    let mut data = aes::ctr(key, &next(start), 32, data)?;
    let full = authenticate(key, start, additional, &data)?;
    data.extend_from_slice(full.get(..tag)?);
    Some(data)
}

/// The inverse of [`seal`]; `None` when the tag is wrong.
pub(crate) fn open(key: &[u8], nonce: &[u8], additional: &[u8], tag: usize, mut data: Vec<u8>) -> Option<Vec<u8>> {
    if nonce.len() == USUAL_NONCE && tag == BLOCK {
        let (key, nonce) = usual(key, nonce)?;
        let length = key.open_in_place(nonce, Aad::from(additional), &mut data).ok()?.len();
        data.truncate(length);
        return Some(data);
    }
    let given = data.split_off(data.len().checked_sub(tag)?);
    let start = first_counter(key, nonce)?;
    let full = authenticate(key, start, additional, &data)?;
    aws_lc_rs::constant_time::verify_slices_are_equal(full.get(..tag)?, &given).ok()?;
    aes::ctr(key, &next(start), 32, data)
}

/// The counter block that the tag is enciphered with.
fn first_counter(key: &[u8], nonce: &[u8]) -> Option<[u8; BLOCK]> {
    let mut start = [0; BLOCK];
    if nonce.len() == USUAL_NONCE {
        start[..USUAL_NONCE].copy_from_slice(nonce);
        start[BLOCK - 1] = 1;
        return Some(start);
    }
    let mut hash = hash(key)?;
    hash.update_padded(nonce);
    hash.update(&[lengths(0, nonce.len()).into()]);
    start.copy_from_slice(&hash.finalize());
    Some(start)
}

fn hash(key: &[u8]) -> Option<GHash> {
    Some(GHash::new(&aes::block(key, [0; BLOCK])?.into()))
}

fn lengths(first: usize, second: usize) -> [u8; BLOCK] {
    ((first as u128 * 8) << 64 | (second as u128 * 8)).to_be_bytes()
}

/// The counter after this one; only its last 32 bits count.
fn next(counter: [u8; BLOCK]) -> [u8; BLOCK] {
    let value = u128::from_be_bytes(counter);
    let low = u128::from((value as u32).wrapping_add(1));
    (value >> 32 << 32 | low).to_be_bytes()
}

fn authenticate(key: &[u8], start: [u8; BLOCK], additional: &[u8], data: &[u8]) -> Option<[u8; BLOCK]> {
    let mut hash = hash(key)?;
    hash.update_padded(additional);
    hash.update_padded(data);
    hash.update(&[lengths(additional.len(), data.len()).into()]);
    let mask = aes::block(key, start)?;
    let mut tag = [0; BLOCK];
    for ((tag, hashed), mask) in tag.iter_mut().zip(hash.finalize()).zip(mask) {
        *tag = hashed ^ mask;
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_ways_agree() {
        let (key, nonce) = ([3; 24], [5; 12]);
        let fast = seal(&key, &nonce, b"head", 16, b"some bytes of text".to_vec()).unwrap();
        let start = first_counter(&key, &nonce).unwrap();
        let (text, tag) = fast.split_at(fast.len() - 16);
        assert_eq!(authenticate(&key, start, b"head", text).unwrap(), tag);
        assert_eq!(aes::ctr(&key, &next(start), 32, text.to_vec()).unwrap(), b"some bytes of text");
        for (nonce, tag) in [(&[1_u8; 12][..], 4), (&[2; 32], 16), (&[3; 1], 12)] {
            let mut sealed = seal(&key, nonce, b"", tag, b"text".to_vec()).unwrap();
            assert_eq!(sealed.len(), 4 + tag);
            assert_eq!(open(&key, nonce, b"", tag, sealed.clone()).unwrap(), b"text");
            sealed[0] ^= 1;
            assert_eq!(open(&key, nonce, b"", tag, sealed), None);
        }
    }
}
