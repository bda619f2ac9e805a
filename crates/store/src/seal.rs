//! Sealing: secrets are kept as AES-256-GCM ciphertexts. The associated data names the table, the row and the
//! column, so that a ciphertext that was copied to another row does not open there.
//!
//! Form of a sealed value: one byte 1 (the form), 12 bytes nonce, the ciphertext, 16 bytes tag.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use crate::error::StoreError;

const FORM: u8 = 1;

/// Bytes that must not be shown. `Debug` prints their number only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes into custody.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Secret(bytes.into())
    }

    /// The bytes themselves, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, where it is text.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The key of a store, ready for use.
pub(crate) struct Sealer {
    key: RandomizedNonceKey,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, StoreError> {
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| StoreError::Cryptography("preparing the key"))?;
        Ok(Sealer { key })
    }

    /// Seals `plain` for the row that `place` names, e.g. `version_secrets/<id>/API_KEY`.
    pub(crate) fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut body = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| StoreError::Cryptography("sealing a secret"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORM);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made for the same `place`.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        let unsealable = || StoreError::Unsealable { row: place.to_owned() };
        let (form, rest) = sealed.split_first().ok_or_else(unsealable)?;
        if *form != FORM || rest.len() < NONCE_LEN {
            return Err(unsealable());
        }
        let (nonce, body) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unsealable())?;
        let mut body = body.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut body).map_err(|_| unsealable())?;
        Ok(Secret::new(plain.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn opens_only_in_its_own_place_with_its_own_key() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let sealed = sealer.seal("tunnels/a", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));
        assert_eq!(sealer.open("tunnels/a", &sealed).unwrap().expose(), b"hunter2");
        assert!(sealer.open("tunnels/b", &sealed).is_err());
        assert!(Sealer::new(&[8; 32]).unwrap().open("tunnels/a", &sealed).is_err());
    }

    #[test]
    fn every_altered_byte_and_every_cut_is_noticed() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let sealed = sealer.seal("x", b"abc").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(sealer.open("x", &altered).is_err(), "byte {at}");
            assert!(sealer.open("x", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_secret_seals_differently_each_time() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        assert_ne!(sealer.seal("x", b"abc").unwrap(), sealer.seal("x", b"abc").unwrap());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(7 bytes)");
    }
}
