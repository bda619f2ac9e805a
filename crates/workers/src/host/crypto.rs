//! Web Cryptography: the arguments of script for `crate::crypto`. What fails gives `undefined`; script knows which error that is.
//!
//! All of it runs on the isolate's thread, so that it is CPU time of the invocation like any other.

use isolate::{Arguments, Scope, Throw, Value};

use super::{Host, id, number};
use crate::crypto::ec::{Curve, Format};
use crate::crypto::hash::{Hash, Hasher};
use crate::crypto::rsa::Scheme;
use crate::crypto::{aes, gcm, kdf, rsa};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most digests that are being computed in pieces at a time.
const LIMIT: usize = 10_000;
/// The most bytes of one derivation.
const LONGEST_DERIVATION: u64 = 1024 * 1024;

/// Digests in pieces, with the invocation that feeds them.
#[derive(Default)]
pub(super) struct Hashers {
    table: Table<(Ticket, Hasher)>,
}

impl Hashers {
    /// Drops what an invocation left unfinished.
    pub(super) fn release(&mut self, owner: Ticket) {
        drop(self.table.drain_where(|(of, _)| *of == owner));
    }
}

/// Bytes, or `undefined` for what failed.
fn bytes(result: Option<Vec<u8>>) -> Value {
    result.map_or(Value::Undefined, Value::Bytes)
}

fn hash(arguments: &Arguments<'_>, index: usize) -> Result<Hash, Throw> {
    let name = arguments.string(index)?;
    Hash::by_name(&name).ok_or_else(|| Throw::TypeError(format!("There is no hash \"{name}\".")))
}

fn curve(arguments: &Arguments<'_>) -> Result<&'static Curve, Throw> {
    let name = arguments.string(0)?;
    Curve::by_name(&name).ok_or_else(|| Throw::TypeError(format!("There is no curve \"{name}\".")))
}

fn number_of_bits(arguments: &Arguments<'_>, index: usize) -> Result<u32, Throw> {
    Ok(u32::try_from(id(arguments, index)?).unwrap_or(u32::MAX))
}

fn length_of_derivation(arguments: &Arguments<'_>, index: usize) -> Result<Option<usize>, Throw> {
    let length = id(arguments, index)?;
    Ok(if length > LONGEST_DERIVATION { None } else { usize::try_from(length).ok() })
}

/// `digest(hash, bytes)`
pub(super) fn digest(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let hash = hash(arguments, 0)?;
    Ok(Value::Bytes(arguments.with_bytes(1, |data| hash.digest(data))?))
}

/// `hashCreate(hash)`
pub(super) fn hash_create(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    keep(&host, Hasher::new(hash(arguments, 0)?))
}

/// The number under which script finds the digest again.
fn keep(host: &Host, hasher: Hasher) -> Result<Value, Throw> {
    let mut hashers = host.hashers.borrow_mut();
    if hashers.table.len() >= LIMIT {
        return Err(Throw::Error(format!(
            "Too many digests are being computed at the same time: the limit is {LIMIT}."
        )));
    }
    Ok(number(hashers.table.insert((host.current(), hasher)).unwrap_or(0)))
}

/// `hashUpdate(id, bytes)`
pub(super) fn hash_update(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    match host.hashers.borrow_mut().table.get_mut(id(arguments, 0)?) {
        Some((_, hasher)) => arguments.with_bytes(1, |piece| hasher.update(piece))?,
        None => return Err(Throw::Error("The request that this digest belongs to has ended.".to_owned())),
    }
    Ok(Value::Undefined)
}

/// `hashCopy(id)`: another digest that has been given the same so far.
pub(super) fn hash_copy(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let copy = match host.hashers.borrow_mut().table.get_mut(id(arguments, 0)?) {
        Some((_, hasher)) => hasher.clone(),
        None => return Err(Throw::Error("The request that this digest belongs to has ended.".to_owned())),
    };
    keep(&host, copy)
}

/// `hashFinish(id)`
pub(super) fn hash_finish(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let finished = scope.data::<Host>().hashers.borrow_mut().table.remove(id(arguments, 0)?);
    Ok(bytes(finished.map(|(_, hasher)| hasher.finish())))
}

/// `hmac(hash, key, bytes)`
pub(super) fn hmac(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let (hash, key) = (hash(arguments, 0)?, arguments.bytes(1)?);
    Ok(bytes(arguments.with_bytes(2, |data| hash.hmac(&key, data))?))
}

/// `timingSafeEqual(a, b)`
pub(super) fn timing_safe_equal(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let equal = aws_lc_rs::constant_time::verify_slices_are_equal(&arguments.bytes(0)?, &arguments.bytes(1)?);
    Ok(Value::Bool(equal.is_ok()))
}

/// `aesCbc(encrypt, key, iv, data)`
pub(super) fn aes_cbc(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let run = if arguments.bool(0)? { aes::cbc_encrypt } else { aes::cbc_decrypt };
    Ok(bytes(run(&arguments.bytes(1)?, &arguments.bytes(2)?, arguments.bytes(3)?)))
}

/// `aesCtr(key, counter, counterBits, data)`
pub(super) fn aes_ctr(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let bits = number_of_bits(arguments, 2)?;
    Ok(bytes(aes::ctr(&arguments.bytes(0)?, &arguments.bytes(1)?, bits, arguments.bytes(3)?)))
}

/// `aesGcm(encrypt, key, iv, additional, tagBits, data)`
pub(super) fn aes_gcm(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let run = if arguments.bool(0)? { gcm::seal } else { gcm::open };
    let tag = number_of_bits(arguments, 4)? as usize / 8;
    let (key, nonce, additional) = (arguments.bytes(1)?, arguments.bytes(2)?, arguments.bytes(3)?);
    Ok(bytes(run(&key, &nonce, &additional, tag, arguments.bytes(5)?)))
}

/// `aesKw(wrap, key, data)`
pub(super) fn aes_kw(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let run = if arguments.bool(0)? { aes::wrap } else { aes::unwrap };
    Ok(bytes(run(&arguments.bytes(1)?, &arguments.bytes(2)?)))
}

/// `hkdf(hash, secret, salt, info, length)`
pub(super) fn hkdf(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let hash = hash(arguments, 0)?;
    let (secret, salt, info) = (arguments.bytes(1)?, arguments.bytes(2)?, arguments.bytes(3)?);
    let length = length_of_derivation(arguments, 4)?;
    Ok(bytes(length.and_then(|length| kdf::hkdf(hash, &secret, &salt, &info, length))))
}

/// `pbkdf2(hash, password, salt, iterations, length)`
pub(super) fn pbkdf2(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let hash = hash(arguments, 0)?;
    let (password, salt) = (arguments.bytes(1)?, arguments.bytes(2)?);
    let iterations = number_of_bits(arguments, 3)?;
    let length = length_of_derivation(arguments, 4)?;
    Ok(bytes(length.and_then(|length| kdf::pbkdf2(hash, &password, &salt, iterations, length))))
}

/// `rsaGenerate(bits, exponent)`
pub(super) fn rsa_generate(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(bytes(rsa::generate(number_of_bits(arguments, 0)?, id(arguments, 1)?)))
}

/// `rsaPublic(private)`
pub(super) fn rsa_public(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(bytes(rsa::public_of(&arguments.bytes(0)?)))
}

/// `rsaConvert("from spki" | "from pkcs8" | "to spki" | "to pkcs8", bytes)`
pub(super) fn rsa_convert(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let convert = match arguments.string(0)?.as_str() {
        "from spki" => rsa::from_spki,
        "from pkcs8" => rsa::from_pkcs8,
        "to spki" => rsa::to_spki,
        "to pkcs8" => rsa::to_pkcs8,
        other => return Err(Throw::TypeError(format!("There is no conversion \"{other}\"."))),
    };
    Ok(bytes(convert(&arguments.bytes(1)?)))
}

/// `rsaBuild(n, e, d, p, q)`; without `d` a public key.
pub(super) fn rsa_build(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let (n, e) = (arguments.bytes(0)?, arguments.bytes(1)?);
    if arguments.is_undefined(2) {
        return Ok(bytes(rsa::from_public_parts(&n, &e)));
    }
    let (d, p, q) = (arguments.bytes(2)?, arguments.bytes(3)?, arguments.bytes(4)?);
    Ok(bytes(rsa::from_private_parts(&n, &e, &d, &p, &q)))
}

/// `rsaParts(private, key)`
pub(super) fn rsa_parts(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let take = if arguments.bool(0)? { rsa::private_parts } else { rsa::public_parts };
    let parts = take(&arguments.bytes(1)?);
    Ok(parts.map_or(Value::Undefined, |parts| Value::List(parts.into_iter().map(Value::Bytes).collect())))
}

/// The salt's length, or `undefined` for PKCS #1 v1.5.
fn scheme(arguments: &Arguments<'_>) -> Result<Scheme, Throw> {
    if arguments.is_undefined(0) {
        return Ok(Scheme::Pkcs1);
    }
    Ok(Scheme::Pss(usize::try_from(id(arguments, 0)?).unwrap_or(usize::MAX)))
}

/// `rsaSign(saltLength, hash, key, data)`
pub(super) fn rsa_sign(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let scheme = scheme(arguments)?;
    Ok(bytes(rsa::sign(scheme, hash(arguments, 1)?, &arguments.bytes(2)?, &arguments.bytes(3)?)))
}

/// `rsaVerify(saltLength, hash, key, signature, data)`
pub(super) fn rsa_verify(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let (scheme, hash) = (scheme(arguments)?, hash(arguments, 1)?);
    let (key, signature, data) = (arguments.bytes(2)?, arguments.bytes(3)?, arguments.bytes(4)?);
    Ok(Value::Bool(rsa::verify(scheme, hash, &key, &data, &signature).unwrap_or(false)))
}

/// `rsaOaep(encrypt, hash, label, key, data)`
pub(super) fn rsa_oaep(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let run = if arguments.bool(0)? { rsa::encrypt } else { rsa::decrypt };
    Ok(bytes(run(hash(arguments, 1)?, &arguments.bytes(3)?, arguments.bytes(2)?, &arguments.bytes(4)?)))
}

/// `ecGenerate(curve)`
pub(super) fn ec_generate(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(bytes((curve(arguments)?.generate)()))
}

/// `ecPublic(curve, private)`
pub(super) fn ec_public(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(bytes(curve(arguments)?.public(&arguments.bytes(1)?).map(<[u8]>::to_vec)))
}

/// `ecImport(curve, "raw" | "spki" | "pkcs8" | "scalar", bytes)`
pub(super) fn ec_import(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let curve = curve(arguments)?;
    let format = Format::by_name(&arguments.string(1)?);
    let given = arguments.bytes(2)?;
    Ok(bytes(format.and_then(|format| (curve.parse)(format, &given))))
}

/// `ecExport(curve, private, key)`
pub(super) fn ec_export(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let curve = curve(arguments)?;
    let write = if arguments.bool(1)? { curve.pkcs8 } else { curve.spki };
    Ok(bytes(write(&arguments.bytes(2)?)))
}

/// What is signed: the hash of the data, or the data when there is no hash.
fn signed(arguments: &Arguments<'_>, data: Vec<u8>) -> Result<Vec<u8>, Throw> {
    if arguments.is_undefined(1) { Ok(data) } else { Ok(hash(arguments, 1)?.digest(&data)) }
}

/// `ecSign(curve, hash, key, data)`
pub(super) fn ec_sign(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let data = signed(arguments, arguments.bytes(3)?)?;
    Ok(bytes((curve(arguments)?.sign)(&arguments.bytes(2)?, &data)))
}

/// `ecVerify(curve, hash, key, signature, data)`
pub(super) fn ec_verify(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let data = signed(arguments, arguments.bytes(4)?)?;
    Ok(Value::Bool((curve(arguments)?.verify)(&arguments.bytes(2)?, &data, &arguments.bytes(3)?)))
}

/// `ecAgree(curve, private, public)`
pub(super) fn ec_agree(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(bytes((curve(arguments)?.agree)(&arguments.bytes(1)?, &arguments.bytes(2)?)))
}
