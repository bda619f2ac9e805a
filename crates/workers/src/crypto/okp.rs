//! Ed25519 (RFC 8032) and X25519 (RFC 7748). A public key is its 32 bytes; a private key is the seed with the public key after it.

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair as _};
use p256::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};

use super::ec::{Curve, Format};

/// Bytes of seeds and of public keys.
const LENGTH: usize = 32;
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
/// The last byte of the object identifiers.
const ED25519_TAG: u8 = 112;
const X25519_TAG: u8 = 110;

pub(super) static ED25519: Curve = Curve {
    generate: || ed25519_private(&super::random::<LENGTH>()?),
    scalar: LENGTH,
    parse: |format, bytes| parse(format, bytes, ED25519_OID, ed25519_private),
    spki: |key| spki(key, ED25519_TAG),
    pkcs8: |key| pkcs8(key, ED25519_TAG),
    sign: |key, message| {
        let (seed, public) = key.split_at_checked(LENGTH)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
        Some(pair.try_sign(message).ok()?.as_ref().to_vec())
    },
    // Points of small order are refused, as the Web Crypto specification wants.
    verify: |key, message, signature| {
        !has_small_order(key)
            && !signature.get(..LENGTH).is_some_and(has_small_order)
            && signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
    },
    agree: |_, _| None,
};

pub(super) static X25519: Curve = Curve {
    generate: || x25519_private(&super::random::<LENGTH>()?),
    scalar: LENGTH,
    parse: |format, bytes| parse(format, bytes, X25519_OID, x25519_private),
    spki: |key| spki(key, X25519_TAG),
    pkcs8: |key| pkcs8(key, X25519_TAG),
    sign: |_, _| None,
    verify: |_, _, _| false,
    // Fails for the points of small order, as the Web Crypto specification wants.
    agree: |private, public| {
        let private = agreement::PrivateKey::from_private_key(&agreement::X25519, private.get(..LENGTH)?).ok()?;
        let public = UnparsedPublicKey::new(&agreement::X25519, public);
        agreement::agree(&private, public, (), |secret| Ok(secret.to_vec())).ok()
    },
};

/// Whether the encoding of a point of Ed25519 is one of a point whose order divides 8, canonical or not.
fn has_small_order(point: &[u8]) -> bool {
    // The y of the points of order 8.
    const EIGHTH: [[u8; LENGTH]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    // The highest bit is the sign of x.
    let Some((last, y)) = point.split_last().map(|(last, y)| (last & 0x7f, y)) else { return false };
    let Some((first, middle)) = y.split_first() else { return false };
    match (first, last) {
        (0 | 1, 0) => middle.iter().all(|byte| *byte == 0),
        (0xec..=0xee, 0x7f) => middle.iter().all(|byte| *byte == 0xff),
        _ => EIGHTH.iter().any(|eighth| eighth.split_last() == Some((&last, y))),
    }
}

fn ed25519_private(seed: &[u8]) -> Option<Vec<u8>> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    Some([seed, pair.public_key().as_ref()].concat())
}

fn x25519_private(seed: &[u8]) -> Option<Vec<u8>> {
    let private = agreement::PrivateKey::from_private_key(&agreement::X25519, seed).ok()?;
    Some([seed, private.compute_public_key().ok()?.as_ref()].concat())
}

fn parse(
    format: Format,
    bytes: &[u8],
    oid: ObjectIdentifier,
    private: fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    match format {
        Format::Raw => (bytes.len() == LENGTH).then(|| bytes.to_vec()),
        Format::Scalar => (bytes.len() == LENGTH).then(|| private(bytes))?,
        Format::Spki => {
            let info = SubjectPublicKeyInfoRef::try_from(bytes).ok()?;
            let key = info.subject_public_key.as_bytes()?;
            let fits = info.algorithm.oid == oid && info.algorithm.parameters.is_none() && key.len() == LENGTH;
            fits.then(|| key.to_vec())
        }
        Format::Pkcs8 => {
            let info = PrivateKeyInfoRef::try_from(bytes).ok()?;
            // An OCTET STRING in the OCTET STRING (RFC 8410).
            let seed = info.private_key.as_bytes().strip_prefix(&[4, LENGTH as u8])?;
            let fits = info.algorithm.oid == oid && info.algorithm.parameters.is_none() && seed.len() == LENGTH;
            fits.then(|| private(seed))?
        }
    }
}

fn spki(key: &[u8], tag: u8) -> Option<Vec<u8>> {
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, tag, 0x03, 0x21, 0x00];
    (key.len() == LENGTH).then(|| [head.as_slice(), key].concat())
}

fn pkcs8(key: &[u8], tag: u8) -> Option<Vec<u8>> {
    let head = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, tag, 0x04, 0x22, 0x04, 0x20];
    Some([head.as_slice(), key.get(..LENGTH)?].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn points_of_small_order_verify_nothing() {
        let mut identity = [0; LENGTH];
        identity[0] = 1;
        assert!(has_small_order(&identity));
        let mut negative = identity;
        negative[LENGTH - 1] = 0x80;
        assert!(has_small_order(&negative));
        let mut prime = [0xff; LENGTH];
        prime[0] = 0xed;
        assert!(has_small_order(&prime));
        assert!(!has_small_order(&[0xff; LENGTH]));
        assert!(!has_small_order(&[]));
        // With the identity as both points and 0 as the other half, every message would verify.
        let signature = [identity, [0; LENGTH]].concat();
        assert!(!(ED25519.verify)(&identity, b"text", &signature));
        let key = (ED25519.generate)().unwrap();
        let signature = (ED25519.sign)(&key, b"text").unwrap();
        assert!((ED25519.verify)(&key[LENGTH..], b"text", &signature));
    }
}
