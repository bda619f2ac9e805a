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
    verify: |key, message, signature| {
        signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
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
