//! The NIST curves: keys, ECDSA, ECDH.
//!
//! A public key is its uncompressed point (SEC 1); a private key is the scalar with the public key after it.

use super::okp;

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A public key: the point (a compressed one is taken too), or the bytes of RFC 7748 and RFC 8032.
    Raw,
    /// `SubjectPublicKeyInfo`.
    Spki,
    /// `PrivateKeyInfo`.
    Pkcs8,
    /// A private key: the scalar or seed alone.
    Scalar,
}

impl Format {
    /// By the name that `host.d.ts` gives it.
    pub(crate) fn by_name(name: &str) -> Option<Format> {
        Some(match name {
            "raw" => Format::Raw,
            "spki" => Format::Spki,
            "pkcs8" => Format::Pkcs8,
            "scalar" => Format::Scalar,
            _ => return None,
        })
    }
}

/// What a curve's room offers. Keys are in the module's form.
pub(crate) struct Curve {
    /// A new private key.
    pub generate: fn() -> Option<Vec<u8>>,
    /// Bytes of the scalar at the start of a private key; the rest is the public key.
    pub scalar: usize,
    /// A key out of one of the formats.
    pub parse: fn(Format, &[u8]) -> Option<Vec<u8>>,
    /// `SubjectPublicKeyInfo` of a public key.
    pub spki: fn(&[u8]) -> Option<Vec<u8>>,
    /// `PrivateKeyInfo` of a private key.
    pub pkcs8: fn(&[u8]) -> Option<Vec<u8>>,
    /// The signature of a message (EdDSA) or of its hash (ECDSA), with a private key.
    pub sign: fn(&[u8], &[u8]) -> Option<Vec<u8>>,
    /// Whether a signature is right: key, message or hash, signature.
    pub verify: fn(&[u8], &[u8], &[u8]) -> bool,
    /// The secret that a private and a public key agree on.
    pub agree: fn(&[u8], &[u8]) -> Option<Vec<u8>>,
}

impl Curve {
    /// By the name that Web Crypto gives it.
    pub(crate) fn by_name(name: &str) -> Option<&'static Curve> {
        Some(match name {
            "P-256" => &p256_curve::CURVE,
            "P-384" => &p384_curve::CURVE,
            "P-521" => &p521_curve::CURVE,
            "Ed25519" => &okp::ED25519,
            "X25519" => &okp::X25519,
            _ => return None,
        })
    }

    /// The public key in a private one.
    pub(crate) fn public<'a>(&self, private: &'a [u8]) -> Option<&'a [u8]> {
        private.get(self.scalar..)
    }
}

/// The curves differ in types only.
macro_rules! curve {
    ($room:ident, $curve:ident, $bytes:literal) => {
        mod $room {
            use $curve::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
            use $curve::ecdsa::{Signature, SigningKey, VerifyingKey};
            use $curve::elliptic_curve::Generate;
            use $curve::elliptic_curve::sec1::ToSec1Point;
            use $curve::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
            use $curve::{PublicKey, SecretKey};

            use super::{Curve, Format};

            pub(super) static CURVE: Curve = Curve {
                generate: || Some(private(&SecretKey::try_generate().ok()?)),
                scalar: $bytes,
                parse,
                spki: |key| Some(public_key(key)?.to_public_key_der().ok()?.into_vec()),
                pkcs8: |key| Some(secret(key)?.to_pkcs8_der().ok()?.as_bytes().to_vec()),
                sign,
                verify,
                agree: |private, public| {
                    let public = public_key(public)?;
                    let shared = $curve::ecdh::diffie_hellman(secret(private)?.to_nonzero_scalar(), public.as_affine());
                    Some(shared.raw_secret_bytes().to_vec())
                },
            };

            fn public(key: &PublicKey) -> Vec<u8> {
                key.to_sec1_point(false).as_bytes().to_vec()
            }

            fn private(key: &SecretKey) -> Vec<u8> {
                [key.to_bytes().as_slice(), &public(&key.public_key())].concat()
            }

            fn public_key(key: &[u8]) -> Option<PublicKey> {
                PublicKey::from_sec1_bytes(key).ok()
            }

            fn secret(key: &[u8]) -> Option<SecretKey> {
                SecretKey::from_slice(key.get(..$bytes)?).ok()
            }

            fn parse(format: Format, bytes: &[u8]) -> Option<Vec<u8>> {
                Some(match format {
                    Format::Raw => public(&public_key(bytes)?),
                    Format::Spki => public(&PublicKey::from_public_key_der(bytes).ok()?),
                    Format::Pkcs8 => private(&SecretKey::from_pkcs8_der(bytes).ok()?),
                    Format::Scalar if bytes.len() == $bytes => private(&SecretKey::from_slice(bytes).ok()?),
                    Format::Scalar => return None,
                })
            }

            /// A hash shorter than the curve's order is a number with zeros before it.
            fn prehash(hash: &[u8]) -> Vec<u8> {
                let mut padded = vec![0; $bytes - hash.len().min($bytes)];
                padded.extend_from_slice(hash);
                padded
            }

            fn sign(key: &[u8], hash: &[u8]) -> Option<Vec<u8>> {
                let signature: Signature = SigningKey::from(secret(key)?).sign_prehash(&prehash(hash)).ok()?;
                Some(signature.to_bytes().to_vec())
            }

            fn verify(key: &[u8], hash: &[u8], signature: &[u8]) -> bool {
                let (Some(key), Ok(signature)) = (public_key(key), Signature::from_slice(signature)) else {
                    return false;
                };
                VerifyingKey::from(key).verify_prehash(&prehash(hash), &signature).is_ok()
            }
        }
    };
}

curve!(p256_curve, p256, 32);
curve!(p384_curve, p384, 48);
curve!(p521_curve, p521, 66);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_curve_reads_what_it_writes() {
        for name in ["P-256", "P-384", "P-521", "Ed25519", "X25519"] {
            let curve = Curve::by_name(name).unwrap();
            let private = (curve.generate)().unwrap();
            let public = curve.public(&private).unwrap();
            assert_eq!((curve.parse)(Format::Pkcs8, &(curve.pkcs8)(&private).unwrap()).unwrap(), private, "{name}");
            assert_eq!((curve.parse)(Format::Spki, &(curve.spki)(public).unwrap()).unwrap(), public, "{name}");
            assert_eq!((curve.parse)(Format::Scalar, &private[..curve.scalar]).unwrap(), private, "{name}");
            assert_eq!((curve.parse)(Format::Raw, public).unwrap(), public, "{name}");
            assert_eq!((curve.parse)(Format::Raw, &public[1..]), None, "{name}");
            assert_eq!((curve.parse)(Format::Scalar, &private[..curve.scalar - 1]), None, "{name}");
            if name != "X25519" {
                let signature = (curve.sign)(&private, &[9; 20]).unwrap();
                assert!((curve.verify)(public, &[9; 20], &signature), "{name}");
                assert!(!(curve.verify)(public, &[8; 20], &signature), "{name}");
                assert!(!(curve.verify)(public, &[9; 20], &signature[1..]), "{name}");
            }
            if name != "Ed25519" {
                let other = (curve.generate)().unwrap();
                let both = (curve.agree)(&private, curve.public(&other).unwrap()).unwrap();
                assert_eq!((curve.agree)(&other, public).unwrap(), both, "{name}");
            }
        }
    }
}
