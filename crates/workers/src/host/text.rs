//! Text encodings (by `encoding_rs`) and base64.
//!
//! A decoder's number says all about it but the bytes of an unfinished character; those are kept only between two calls of a stream. So a
//! `TextDecoder` that a Worker keeps for ever costs nothing here.

use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use isolate::{Arguments, Scope, Throw, Value};

use super::headers::{byte_string, from_byte_string};
use super::{Host, id, number};
use crate::supervisor::Ticket;

/// The most decoders that are in the middle of a stream at a time.
const LIMIT: usize = 10_000;
const FATAL: u64 = 1;
const IGNORE_BOM: u64 = 2;

/// All encodings of the Encoding Standard that can be asked for by label, in a fixed order.
static ENCODINGS: &[&Encoding] = &[
    encoding_rs::UTF_8,
    encoding_rs::IBM866,
    encoding_rs::ISO_8859_2,
    encoding_rs::ISO_8859_3,
    encoding_rs::ISO_8859_4,
    encoding_rs::ISO_8859_5,
    encoding_rs::ISO_8859_6,
    encoding_rs::ISO_8859_7,
    encoding_rs::ISO_8859_8,
    encoding_rs::ISO_8859_8_I,
    encoding_rs::ISO_8859_10,
    encoding_rs::ISO_8859_13,
    encoding_rs::ISO_8859_14,
    encoding_rs::ISO_8859_15,
    encoding_rs::ISO_8859_16,
    encoding_rs::KOI8_R,
    encoding_rs::KOI8_U,
    encoding_rs::MACINTOSH,
    encoding_rs::WINDOWS_874,
    encoding_rs::WINDOWS_1250,
    encoding_rs::WINDOWS_1251,
    encoding_rs::WINDOWS_1252,
    encoding_rs::WINDOWS_1253,
    encoding_rs::WINDOWS_1254,
    encoding_rs::WINDOWS_1255,
    encoding_rs::WINDOWS_1256,
    encoding_rs::WINDOWS_1257,
    encoding_rs::WINDOWS_1258,
    encoding_rs::X_MAC_CYRILLIC,
    encoding_rs::GBK,
    encoding_rs::GB18030,
    encoding_rs::BIG5,
    encoding_rs::EUC_JP,
    encoding_rs::ISO_2022_JP,
    encoding_rs::SHIFT_JIS,
    encoding_rs::EUC_KR,
    encoding_rs::UTF_16BE,
    encoding_rs::UTF_16LE,
    encoding_rs::X_USER_DEFINED,
];

/// Decoders in the middle of a stream, with the invocation that feeds them.
#[derive(Default)]
pub(super) struct Decoders {
    next: u64,
    streams: HashMap<u64, (Ticket, Decoder)>,
}

impl Decoders {
    /// Drops what an invocation left unfinished.
    pub(super) fn release(&mut self, owner: Ticket) {
        if !self.streams.is_empty() {
            self.streams.retain(|_, (of, _)| *of != owner);
        }
    }
}

/// `decoderCreate(label, fatal, ignoreBom)`
pub(super) fn decoder_create(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let label = arguments.string(0)?;
    let flags = if arguments.bool(1)? { FATAL } else { 0 } | if arguments.bool(2)? { IGNORE_BOM } else { 0 };
    let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) else { return Ok(Value::Undefined) };
    let Some(index) = (0_u64..).zip(ENCODINGS).find(|(_, known)| **known == encoding).map(|(index, _)| index) else {
        return Ok(Value::Undefined);
    };
    let mut decoders = host.decoders.borrow_mut();
    decoders.next += 1;
    let id = decoders.next << 8 | index << 2 | flags;
    Ok(Value::List(vec![number(id), Value::String(encoding.name().to_ascii_lowercase())]))
}

fn fresh(id: u64) -> Option<Decoder> {
    let encoding = ENCODINGS.get(usize::try_from(id >> 2 & 0x3f).ok()?)?;
    let ignores_bom = id & IGNORE_BOM != 0;
    Some(if ignores_bom {
        encoding.new_decoder_without_bom_handling()
    } else {
        encoding.new_decoder_with_bom_removal()
    })
}

/// Decodes `bytes`; `None` when they are malformed and that is fatal.
fn decode(decoder: &mut Decoder, bytes: &[u8], fatal: bool, last: bool) -> Option<String> {
    let replaced = decoder.max_utf8_buffer_length(bytes.len())?;
    if !fatal {
        let mut text = String::with_capacity(replaced);
        let _ = decoder.decode_to_string(bytes, &mut text, last);
        return Some(text);
    }
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, last).0 {
        DecoderResult::InputEmpty => Some(text),
        DecoderResult::Malformed(..) | DecoderResult::OutputFull => None,
    }
}

/// `decoderDecode(decoder, bytes, last)`
pub(super) fn decoder_decode(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let id = id(arguments, 0)?;
    let bytes = arguments.bytes(1)?;
    let last = arguments.bool(2)?;
    let mut decoders = host.decoders.borrow_mut();
    let kept = decoders.streams.remove(&id).map(|(_, decoder)| decoder);
    let Some(mut decoder) = kept.or_else(|| fresh(id)) else {
        return Err(Throw::TypeError("There is no such decoder.".to_owned()));
    };
    let text = decode(&mut decoder, &bytes, id & FATAL != 0, last);
    if text.is_some() && !last {
        if decoders.streams.len() >= LIMIT {
            return Err(Throw::Error("Too many texts are being decoded at the same time.".to_owned()));
        }
        decoders.streams.insert(id, (host.current(), decoder));
    }
    Ok(text.map_or(Value::Undefined, Value::String))
}

/// `decoderDrop(decoder)`
pub(super) fn decoder_drop(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    scope.data::<Host>().decoders.borrow_mut().streams.remove(&id(arguments, 0)?);
    Ok(Value::Undefined)
}

/// Bytes as UTF-8 text with replacement, without byte order mark.
pub(crate) fn utf8(bytes: Vec<u8>) -> String {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return UTF_8.decode_with_bom_removal(&bytes).0.into_owned();
    }
    String::from_utf8(bytes).unwrap_or_else(|error| UTF_8.decode_without_bom_handling(error.as_bytes()).0.into_owned())
}

/// `utf8Encode(text)`
pub(super) fn utf8_encode(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(Value::Bytes(arguments.string(0)?.into_bytes()))
}

/// `utf8Decode(bytes, ignoreBom)`
pub(super) fn utf8_decode(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let bytes = arguments.bytes(0)?;
    if arguments.bool(1)? {
        return Ok(Value::String(UTF_8.decode_without_bom_handling(&bytes).0.into_owned()));
    }
    Ok(Value::String(utf8(bytes)))
}

/// Forgiving base64 (WHATWG Infra).
fn forgiving_decode(text: &str) -> Option<Vec<u8>> {
    const FORGIVING: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let mut stripped: Vec<u8> =
        text.bytes().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')).collect();
    if stripped.len().is_multiple_of(4) {
        for _ in 0..2 {
            if stripped.last() == Some(&b'=') {
                stripped.pop();
            }
        }
    }
    FORGIVING.decode(stripped).ok()
}

/// `atob(text)`
pub(super) fn atob(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let bytes = forgiving_decode(&arguments.string(0)?);
    Ok(bytes.map_or(Value::Undefined, |bytes| Value::String(byte_string(&bytes))))
}

/// `btoa(text)`
pub(super) fn btoa(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let bytes = from_byte_string(&arguments.string(0)?);
    let encoded = bytes.map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes));
    Ok(encoded.map_or(Value::Undefined, Value::String))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn base64_is_forgiving() {
        assert_eq!(forgiving_decode(" YW Jj\n").unwrap(), b"abc");
        assert_eq!(forgiving_decode("YQ==").unwrap(), b"a");
        assert_eq!(forgiving_decode("YQ").unwrap(), b"a");
        assert_eq!(forgiving_decode("YR==").unwrap(), b"a", "bits that say nothing are ignored");
        for wrong in ["Y", "YQ=", "YQ===", "Y=Q=", "a*bc", "===="] {
            assert_eq!(forgiving_decode(wrong), None, "{wrong}");
        }
        assert_eq!(forgiving_decode("").unwrap(), b"");
    }

    #[test]
    fn every_encoding_fits_its_number() {
        assert!(ENCODINGS.len() <= 64);
        for (index, encoding) in (0_u64..).zip(ENCODINGS) {
            let decoder = fresh(1 << 8 | index << 2).unwrap();
            assert_eq!(decoder.encoding(), *encoding);
        }
    }

    #[test]
    fn characters_may_be_split() {
        let mut decoder = fresh(0).unwrap();
        assert_eq!(decode(&mut decoder, b"\xe2\x82", true, false).unwrap(), "");
        assert_eq!(decode(&mut decoder, b"\xac", true, true).unwrap(), "€");
        let mut decoder = fresh(0).unwrap();
        assert_eq!(decode(&mut decoder, b"\xe2\x82", true, true), None);
        let mut decoder = fresh(0).unwrap();
        assert_eq!(decode(&mut decoder, b"a\xff", false, true).unwrap(), "a\u{fffd}");
        assert_eq!(utf8(b"\xef\xbb\xbfx\xff".to_vec()), "x\u{fffd}");
    }
}
