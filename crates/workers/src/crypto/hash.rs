//! Digests, whole or in pieces, and HMAC.

use aws_lc_rs::{digest, hmac};
use md5::{Digest as _, Md5};

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// For digests only, as Workers offer it.
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the name that Web Crypto gives it.
    pub(crate) fn by_name(name: &str) -> Option<Hash> {
        Some(match name {
            "MD5" => Hash::Md5,
            "SHA-1" => Hash::Sha1,
            "SHA-256" => Hash::Sha256,
            "SHA-384" => Hash::Sha384,
            "SHA-512" => Hash::Sha512,
            _ => return None,
        })
    }

    fn algorithm(self) -> Option<&'static digest::Algorithm> {
        Some(match self {
            Hash::Md5 => return None,
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        })
    }

    /// The digest of bytes.
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self.algorithm() {
            Some(algorithm) => digest::digest(algorithm, bytes).as_ref().to_vec(),
            None => Md5::digest(bytes).to_vec(),
        }
    }

    /// The key for HMAC; `None` for a hash that it is not offered with.
    pub(super) fn hmac_key(self, key: &[u8]) -> Option<hmac::Key> {
        let algorithm = match self {
            Hash::Md5 => return None,
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        Some(hmac::Key::new(algorithm, key))
    }

    /// The HMAC of bytes.
    pub(crate) fn hmac(self, key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        Some(hmac::sign(&self.hmac_key(key)?, bytes).as_ref().to_vec())
    }
}

/// A digest of pieces.
#[derive(Clone)]
pub(crate) enum Hasher {
    Md5(Md5),
    Sha(digest::Context),
}

impl Hasher {
    /// Of nothing yet.
    pub(crate) fn new(hash: Hash) -> Self {
        hash.algorithm()
            .map_or_else(|| Hasher::Md5(Md5::new()), |algorithm| Hasher::Sha(digest::Context::new(algorithm)))
    }

    /// Takes a piece.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Md5(context) => context.update(bytes),
            Hasher::Sha(context) => context.update(bytes),
        }
    }

    /// The digest of all pieces.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Hasher::Md5(context) => context.finalize().to_vec(),
            Hasher::Sha(context) => context.finish().as_ref().to_vec(),
        }
    }
}
