//! RSA: keys, PKCS #1 v1.5 and PSS signatures, OAEP. Keys are in the form of PKCS #1 (`RSAPublicKey`, `RSAPrivateKey`).

use aws_lc_rs::encoding::AsDer;
use rsa::pkcs1::{
    DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey, EncodeRsaPublicKey, RsaPrivateKeyRef, RsaPublicKeyRef,
};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::traits::{PaddingScheme, SignatureScheme};
use rsa::{BoxedUint, Oaep, Pkcs1v15Sign, PrivateKey, Pss, PublicKey};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::hash::Hash;

/// The longest modulus that is generated, in bits. Longer ones take many seconds of CPU time that nothing can stop.
const LONGEST: u32 = 4096;

/// Where random numbers come from: aws-lc, which asks the operating system.
struct Random;

impl rsa::rand_core::TryRng for Random {
    type Error = aws_lc_rs::error::Unspecified;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        aws_lc_rs::rand::fill(bytes)
    }
}

impl rsa::rand_core::TryCryptoRng for Random {}

/// A signature's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Pkcs1,
    /// With a salt of so many bytes.
    Pss(usize),
}

/// A new private key.
pub(crate) fn generate(bits: u32, exponent: u64) -> Option<Vec<u8>> {
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    let size = match bits {
        2048 => Some(KeySize::Rsa2048),
        3072 => Some(KeySize::Rsa3072),
        4096 => Some(KeySize::Rsa4096),
        _ => None,
    };
    let key = match size {
        Some(size) if exponent == 65_537 => {
            PrivateKey::from_pkcs8_der(KeyPair::generate(size).ok()?.as_der().ok()?.as_ref()).ok()?
        }
        _ if bits <= LONGEST => PrivateKey::new_with_exp(&mut Random, bits as usize, BoxedUint::from(exponent)).ok()?,
        _ => return None,
    };
    private_form(&key)
}

fn private_form(key: &PrivateKey) -> Option<Vec<u8>> {
    Some(key.to_pkcs1_der().ok()?.as_bytes().to_vec())
}

fn public_form(key: &PublicKey) -> Option<Vec<u8>> {
    Some(key.to_pkcs1_der().ok()?.into_vec())
}

/// The public key of a private one.
pub(crate) fn public_of(private: &[u8]) -> Option<Vec<u8>> {
    let key = RsaPrivateKeyRef::try_from(private).ok()?;
    rsa::pkcs1::der::Encode::to_der(&key.public_key()).ok()
}

/// A public key out of `SubjectPublicKeyInfo`.
pub(crate) fn from_spki(der: &[u8]) -> Option<Vec<u8>> {
    public_form(&PublicKey::from_public_key_der(der).ok()?)
}

/// A private key out of `PrivateKeyInfo`.
pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Vec<u8>> {
    private_form(&PrivateKey::from_pkcs8_der(der).ok()?)
}

/// `SubjectPublicKeyInfo` of a public key.
pub(crate) fn to_spki(key: &[u8]) -> Option<Vec<u8>> {
    Some(PublicKey::from_pkcs1_der(key).ok()?.to_public_key_der().ok()?.into_vec())
}

/// `PrivateKeyInfo` of a private key.
pub(crate) fn to_pkcs8(key: &[u8]) -> Option<Vec<u8>> {
    Some(PrivateKey::from_pkcs1_der(key).ok()?.to_pkcs8_der().ok()?.as_bytes().to_vec())
}

fn number(bytes: &[u8]) -> Option<BoxedUint> {
    BoxedUint::from_be_slice(bytes, u32::try_from(bytes.len()).ok()?.checked_mul(8)?).ok()
}

/// A public key of modulus and exponent.
pub(crate) fn from_public_parts(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    public_form(&PublicKey::new(number(n)?, number(e)?).ok()?)
}

/// A private key of modulus, exponents and primes.
pub(crate) fn from_private_parts(n: &[u8], e: &[u8], d: &[u8], p: &[u8], q: &[u8]) -> Option<Vec<u8>> {
    let primes = vec![number(p)?, number(q)?];
    private_form(&PrivateKey::from_components(number(n)?, number(e)?, number(d)?, primes).ok()?)
}

/// Modulus and exponent of a public key.
pub(crate) fn public_parts(key: &[u8]) -> Option<Vec<Vec<u8>>> {
    let key = RsaPublicKeyRef::try_from(key).ok()?;
    Some(vec![key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()])
}

/// The numbers of a private key, in the order n, e, d, p, q, dp, dq, qi.
pub(crate) fn private_parts(key: &[u8]) -> Option<Vec<Vec<u8>>> {
    let key = RsaPrivateKeyRef::try_from(key).ok()?;
    let parts = [
        key.modulus,
        key.public_exponent,
        key.private_exponent,
        key.prime1,
        key.prime2,
        key.exponent1,
        key.exponent2,
        key.coefficient,
    ];
    Some(parts.iter().map(|part| part.as_bytes().to_vec()).collect())
}

/// Calls with the hash's type.
macro_rules! with_hash {
    ($hash:expr, $type:ident => $body:expr) => {
        match $hash {
            Hash::Md5 => return None,
            Hash::Sha1 => {
                type $type = Sha1;
                $body
            }
            Hash::Sha256 => {
                type $type = Sha256;
                $body
            }
            Hash::Sha384 => {
                type $type = Sha384;
                $body
            }
            Hash::Sha512 => {
                type $type = Sha512;
                $body
            }
        }
    };
}

/// The signature of a message.
pub(crate) fn sign(scheme: Scheme, hash: Hash, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKey::from_pkcs1_der(key).ok()?;
    let digest = hash.digest(message);
    let random = Some(&mut Random);
    with_hash!(hash, D => match scheme {
        Scheme::Pkcs1 => Pkcs1v15Sign::new::<D>().sign(random, &key, &digest),
        Scheme::Pss(salt) => Pss::<D>::new_blinded_with_salt(salt).sign(random, &key, &digest),
    })
    .ok()
}

/// Whether a signature is right; `None` when the key cannot be used.
pub(crate) fn verify(scheme: Scheme, hash: Hash, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let key = PublicKey::from_pkcs1_der(key).ok()?;
    let digest = hash.digest(message);
    Some(
        with_hash!(hash, D => match scheme {
            Scheme::Pkcs1 => Pkcs1v15Sign::new::<D>().verify(&key, &digest, signature),
            Scheme::Pss(salt) => Pss::<D>::new_with_salt(salt).verify(&key, &digest, signature),
        })
        .is_ok(),
    )
}

/// Enciphers with OAEP.
pub(crate) fn encrypt(hash: Hash, key: &[u8], label: Vec<u8>, data: &[u8]) -> Option<Vec<u8>> {
    let key = PublicKey::from_pkcs1_der(key).ok()?;
    with_hash!(hash, D => Oaep::<D>::new_with_label(label).encrypt(&mut Random, &key, data)).ok()
}

/// The inverse of [`encrypt`].
pub(crate) fn decrypt(hash: Hash, key: &[u8], label: Vec<u8>, data: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKey::from_pkcs1_der(key).ok()?;
    with_hash!(hash, D => Oaep::<D>::new_with_label(label).decrypt(Some(&mut Random), &key, data)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_go_through_every_form() {
        let private = generate(2048, 65_537).unwrap();
        let public = public_of(&private).unwrap();
        assert_eq!(from_pkcs8(&to_pkcs8(&private).unwrap()).unwrap(), private);
        assert_eq!(from_spki(&to_spki(&public).unwrap()).unwrap(), public);
        let parts = private_parts(&private).unwrap();
        assert_eq!(from_private_parts(&parts[0], &parts[1], &parts[2], &parts[3], &parts[4]).unwrap(), private);
        assert_eq!(from_public_parts(&parts[0], &parts[1]).unwrap(), public);
        for scheme in [Scheme::Pkcs1, Scheme::Pss(0), Scheme::Pss(20)] {
            let signature = sign(scheme, Hash::Sha256, &private, b"text").unwrap();
            assert_eq!(verify(scheme, Hash::Sha256, &public, b"text", &signature), Some(true));
            assert_eq!(verify(scheme, Hash::Sha256, &public, b"other", &signature), Some(false));
            assert_eq!(verify(scheme, Hash::Sha1, &public, b"text", &signature), Some(false));
        }
        let sealed = encrypt(Hash::Sha1, &public, b"label".to_vec(), b"text").unwrap();
        assert_eq!(decrypt(Hash::Sha1, &private, b"label".to_vec(), &sealed).unwrap(), b"text");
        assert_eq!(decrypt(Hash::Sha1, &private, Vec::new(), &sealed), None);
        assert_eq!(generate(8192, 65_537), None);
    }
}
