//! Strings between Rust (UTF-8) and the engine (Latin-1 or UTF-16).

use std::ffi::{CString, c_char};

use mozjs::context::JSContext;
use mozjs::jsapi::{JS_DeprecatedStringHasLatin1Chars, JS_GetStringLength, JSString};
use mozjs::rust::wrappers2::{
    JS_EnsureLinearString, JS_GetLatin1StringCharsAndLength, JS_GetTwoByteStringCharsAndLength, JS_NewStringCopyN,
    JS_NewUCStringCopyN,
};

/// A C string; NUL bytes inside become spaces.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', " ")).unwrap_or_default())
}

/// About how many bytes a copy takes.
///
/// # Safety
/// `string` is a live string.
pub(crate) unsafe fn size(string: *mut JSString) -> usize {
    // SAFETY: both read the string's header.
    let (length, latin1) = unsafe { (JS_GetStringLength(string), JS_DeprecatedStringHasLatin1Chars(string)) };
    if latin1 { length } else { length.saturating_mul(2) }
}

/// Copies a string out, at most `limit` UTF-16 code units of it. Lone surrogates become U+FFFD. `None` when the engine has no memory to flatten a
/// rope; an exception is then pending.
///
/// # Safety
/// `string` is a live string of this context, rooted by the caller.
pub(crate) unsafe fn from_js(cx: &JSContext, string: *mut JSString, limit: usize) -> Option<String> {
    // SAFETY: `string` is live and rooted; flattening keeps its identity.
    if unsafe { JS_EnsureLinearString(cx, string) }.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: the string is linear now. The characters stay in place while nothing collects, and nothing does before they are
    // copied: `cx` is borrowed immutably, which allows only calls that cannot collect.
    unsafe {
        if JS_DeprecatedStringHasLatin1Chars(string) {
            let chars = JS_GetLatin1StringCharsAndLength(cx, string, &mut length);
            if chars.is_null() {
                return None;
            }
            let chars = std::slice::from_raw_parts(chars, length.min(limit));
            return Some(if chars.is_ascii() {
                String::from_utf8_lossy(chars).into_owned()
            } else {
                chars.iter().map(|byte| char::from(*byte)).collect()
            });
        }
        let chars = JS_GetTwoByteStringCharsAndLength(cx, string, &mut length);
        if chars.is_null() {
            return None;
        }
        Some(String::from_utf16_lossy(std::slice::from_raw_parts(chars, length.min(limit))))
    }
}

/// A new string; null when the engine has no memory, with an exception pending.
pub(crate) fn to_js(cx: &mut JSContext, text: &str) -> *mut JSString {
    if text.is_ascii() {
        // SAFETY: the engine copies the bytes; ASCII is a subset of the Latin-1 it expects.
        return unsafe { JS_NewStringCopyN(cx, text.as_ptr().cast::<c_char>(), text.len()) };
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    // SAFETY: the engine copies the units.
    unsafe { JS_NewUCStringCopyN(cx, units.as_ptr(), units.len()) }
}
