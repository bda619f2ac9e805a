//! The algorithms of the Web Cryptography API, over bytes: keys are bytes too, in one form each, so that nothing of a key outlives the
//! JavaScript object that holds it. Knows nothing of JavaScript.
//!
//! aws-lc carries out what it offers in the generality that the API needs; the rest (elliptic curves with any hash, RSA with any salt and
//! label) is RustCrypto's. `None` always means that the operation failed, without a reason: the API gives none either.

pub(crate) mod aes;
pub(crate) mod ec;
pub(crate) mod gcm;
pub(crate) mod hash;
pub(crate) mod kdf;
pub(crate) mod okp;
pub(crate) mod rsa;

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}
