//! HKDF (RFC 5869) and PBKDF2 (RFC 8018).

use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};

use super::hash::Hash;

/// The most uses of HMAC that one derivation may need: what a second or so of CPU time can do, as nothing can stop it before its end.
const MOST_ROUNDS: u64 = 4_000_000;

/// `length` bytes of key material; `None` for more than 255 blocks.
pub(crate) fn hkdf(hash: Hash, secret: &[u8], salt: &[u8], info: &[u8], length: usize) -> Option<Vec<u8>> {
    let extracted = hmac::sign(&hash.hmac_key(salt)?, secret);
    let key = hash.hmac_key(extracted.as_ref())?;
    let mut material = Vec::new();
    let mut last: Option<hmac::Tag> = None;
    let mut counter = 0_u8;
    while material.len() < length {
        counter = counter.checked_add(1)?;
        let mut context = hmac::Context::with_key(&key);
        if let Some(last) = &last {
            context.update(last.as_ref());
        }
        context.update(info);
        context.update(&[counter]);
        let block = context.sign();
        material.extend_from_slice(block.as_ref());
        last = Some(block);
    }
    material.truncate(length);
    Some(material)
}

/// `length` bytes of key material; `None` for no iterations or too many.
pub(crate) fn pbkdf2(hash: Hash, password: &[u8], salt: &[u8], iterations: u32, length: usize) -> Option<Vec<u8>> {
    let (algorithm, output) = match hash {
        Hash::Md5 => return None,
        Hash::Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
        Hash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        Hash::Sha384 => (pbkdf2::PBKDF2_HMAC_SHA384, 48),
        Hash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
    };
    let iterations = NonZeroU32::new(iterations)?;
    if u64::from(iterations.get()).saturating_mul(length.div_ceil(output) as u64) > MOST_ROUNDS {
        return None;
    }
    let mut material = vec![0; length];
    if length > 0 {
        pbkdf2::derive(algorithm, iterations, salt, password, &mut material);
    }
    Some(material)
}
