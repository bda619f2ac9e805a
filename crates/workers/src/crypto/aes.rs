//! AES in the modes CBC, CTR and KW (RFC 3394).

use aws_lc_rs::cipher::{
    self, DecryptionContext, EncryptingKey, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

/// Bytes of a block.
pub(super) const BLOCK: usize = 16;

fn unbound(key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm = match key.len() {
        16 => &cipher::AES_128,
        24 => &cipher::AES_192,
        32 => &cipher::AES_256,
        _ => return None,
    };
    UnboundCipherKey::new(algorithm, key).ok()
}

/// CBC with PKCS #7 padding.
pub(crate) fn cbc_encrypt(key: &[u8], iv: &[u8], mut data: Vec<u8>) -> Option<Vec<u8>> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(unbound(key)?).ok()?;
    let context = EncryptionContext::Iv128(FixedLength::try_from(iv).ok()?);
    key.less_safe_encrypt(&mut data, context).ok()?;
    Some(data)
}

/// The inverse of [`cbc_encrypt`].
pub(crate) fn cbc_decrypt(key: &[u8], iv: &[u8], mut data: Vec<u8>) -> Option<Vec<u8>> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(unbound(key)?).ok()?;
    let context = DecryptionContext::Iv128(FixedLength::try_from(iv).ok()?);
    let length = key.decrypt(&mut data, context).ok()?.len();
    data.truncate(length);
    Some(data)
}

/// CTR with a counter of the last `bits` bits of the block (1 to 128), which wraps. Its own inverse. `None` when there is more data than
/// the counter has values for.
pub(crate) fn ctr(key: &[u8], counter: &[u8], bits: u32, mut data: Vec<u8>) -> Option<Vec<u8>> {
    let start = u128::from_be_bytes(counter.try_into().ok()?);
    let mask = match bits {
        1..=127 => (1_u128 << bits) - 1,
        128 => u128::MAX,
        _ => return None,
    };
    let blocks = data.len().div_ceil(BLOCK) as u128;
    if blocks > mask && blocks - 1 > mask {
        return None;
    }
    // Until the counter wraps it is a counter of 128 bits.
    let before_wrap = (mask - (start & mask)).saturating_add(1);
    let split = usize::try_from(before_wrap.saturating_mul(BLOCK as u128)).unwrap_or(usize::MAX).min(data.len());
    let (first, second) = data.split_at_mut(split);
    ctr128(key, start, first)?;
    ctr128(key, start & !mask, second)?;
    Some(data)
}

fn ctr128(key: &[u8], counter: u128, data: &mut [u8]) -> Option<()> {
    if data.is_empty() {
        // The key is checked all the same.
        return unbound(key).map(|_| ());
    }
    let key = EncryptingKey::ctr(unbound(key)?).ok()?;
    let context = EncryptionContext::Iv128(FixedLength::from(counter.to_be_bytes()));
    key.less_safe_encrypt(data, context).ok().map(|_| ())
}

/// One block enciphered.
pub(super) fn block(key: &[u8], block: [u8; BLOCK]) -> Option<[u8; BLOCK]> {
    let mut data = block;
    let key = EncryptingKey::ecb(unbound(key)?).ok()?;
    key.less_safe_encrypt(&mut data, EncryptionContext::None).ok()?;
    Some(data)
}

const KW_IV: [u8; 8] = [0xa6; 8];

/// Wraps a key of at least two 64-bit words.
pub(crate) fn wrap(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    if data.len() < BLOCK || !data.len().is_multiple_of(8) {
        return None;
    }
    let cipher = EncryptingKey::ecb(unbound(key)?).ok()?;
    let mut check = KW_IV;
    let mut words = data.to_vec();
    let mut step = 0_u64;
    for _ in 0..6 {
        for word in words.chunks_exact_mut(8) {
            step += 1;
            let mut block = [0; BLOCK];
            block[..8].copy_from_slice(&check);
            block[8..].copy_from_slice(word);
            cipher.less_safe_encrypt(&mut block, EncryptionContext::None).ok()?;
            let (high, low) = block.split_at(8);
            check = (u64::from_be_bytes(high.try_into().ok()?) ^ step).to_be_bytes();
            word.copy_from_slice(low);
        }
    }
    Some([check.as_slice(), &words].concat())
}

/// The inverse of [`wrap`]; `None` when the check value is wrong.
pub(crate) fn unwrap(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    if data.len() < BLOCK + 8 || !data.len().is_multiple_of(8) {
        return None;
    }
    let cipher = cipher::DecryptingKey::ecb(unbound(key)?).ok()?;
    let (check, words) = data.split_at(8);
    let mut check: [u8; 8] = check.try_into().ok()?;
    let mut words = words.to_vec();
    let mut step = (words.len() / 8 * 6) as u64;
    for _ in 0..6 {
        for word in words.chunks_exact_mut(8).rev() {
            let mut block = [0; BLOCK];
            block[..8].copy_from_slice(&(u64::from_be_bytes(check) ^ step).to_be_bytes());
            block[8..].copy_from_slice(word);
            cipher.decrypt(&mut block, DecryptionContext::None).ok()?;
            let (high, low) = block.split_at(8);
            check = high.try_into().ok()?;
            word.copy_from_slice(low);
            step -= 1;
        }
    }
    aws_lc_rs::constant_time::verify_slices_are_equal(&check, &KW_IV).ok().map(|()| words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_wrapped_as_rfc_3394_says() {
        let key: Vec<u8> = (0..16).collect();
        let data: Vec<u8> = (0..16).map(|byte| byte * 0x11).collect();
        let wrapped = wrap(&key, &data).unwrap();
        assert_eq!(wrapped[..8], [0x1f, 0xa6, 0x8b, 0x0a, 0x81, 0x12, 0xb4, 0x47]);
        assert_eq!(unwrap(&key, &wrapped).unwrap(), data);
        let mut wrong = wrapped;
        wrong[3] ^= 1;
        assert_eq!(unwrap(&key, &wrong), None);
        assert_eq!(wrap(&key, &data[..8]), None);
    }

    #[test]
    fn a_counter_wraps_within_its_bits() {
        let key = [7; 16];
        let mut counter = [0xff; 16];
        let whole = ctr(&key, &counter, 8, vec![0; 32]).unwrap();
        let mut stream = block(&key, counter).unwrap().to_vec();
        counter[15] = 0;
        stream.extend(block(&key, counter).unwrap());
        assert_eq!(whole, stream);
        assert!(ctr(&key, &counter, 1, vec![0; 32]).is_some());
        assert!(ctr(&key, &counter, 1, vec![0; 33]).is_none(), "two values for three blocks");
    }
}
