//! Copies of values by structured clone (HTML, 2.7): within a realm, and as bytes for another isolate.

use std::ptr;

use mozjs::glue::{CopyJSStructuredCloneData, GetLengthOfJSStructuredCloneData, WriteBytesToJSStructuredCloneData};
use mozjs::jsapi::{CloneDataPolicy, StructuredCloneScope};
use mozjs::jsval::UndefinedValue;
use mozjs::rooted;
use mozjs::rust::JSAutoStructuredCloneBufferWrapper;
use mozjs::rust::wrappers2::{JS_ReadStructuredClone, JS_WriteStructuredClone};

use crate::failure::Failure;
use crate::roots::Handle;
use crate::scope::{Scope, attempt, ok};
use crate::value::{self, Value};

/// `JS_STRUCTURED_CLONE_VERSION` (`StructuredClone.h`).
const STRUCTURED_CLONE_VERSION: u32 = 8;

/// No memory is shared.
const CLONE_POLICY: CloneDataPolicy =
    CloneDataPolicy { allowIntraClusterClonableSharedObjects_: false, allowSharedMemoryObjects_: false };

impl Scope<'_> {
    /// Structured clone (HTML, 2.7) within the realm. `transfer` is an array of the `ArrayBuffer`s to transfer.
    ///
    /// # Errors
    /// [`Failure`] when something cannot be cloned or transferred: an exception with the engine's message, for which the caller may
    /// want a `DataCloneError`.
    pub fn structured_clone(&mut self, value: &Handle, transfer: Option<&Handle>) -> Result<Handle, Failure> {
        rooted!(&in(self.cx) let value = value.get(&self.state.roots));
        rooted!(&in(self.cx) let transfer = transfer.map_or_else(UndefinedValue, |list| list.get(&self.state.roots)));
        rooted!(&in(self.cx) let mut copy = UndefinedValue());
        let handle = attempt!(self, {
            // SAFETY: values are rooted; the buffer is valid until the end of the block. Without callbacks, objects the engine does
            // not know are refused. The data does not leave the process.
            let done = unsafe {
                let buffer = JSAutoStructuredCloneBufferWrapper::new(StructuredCloneScope::SameProcess, ptr::null());
                let data = &raw mut (*buffer.as_raw_ptr()).data_;
                JS_WriteStructuredClone(
                    self.cx,
                    value.handle(),
                    data,
                    StructuredCloneScope::SameProcess,
                    &CLONE_POLICY,
                    ptr::null(),
                    ptr::null_mut(),
                    transfer.handle(),
                ) && JS_ReadStructuredClone(
                    self.cx,
                    data,
                    STRUCTURED_CLONE_VERSION,
                    StructuredCloneScope::SameProcess,
                    copy.handle_mut(),
                    &CLONE_POLICY,
                    ptr::null(),
                    ptr::null_mut(),
                )
            };
            ok(done).map(|()| self.state.roots.insert(copy.get()))
        });
        Ok(handle)
    }

    /// A value as bytes that [`Scope::deserialize`] makes the same value of, in this isolate or another one of the same build.
    ///
    /// # Errors
    /// [`Failure`] when something cannot be cloned: an exception with the engine's message.
    pub fn serialize(&mut self, value: &Handle) -> Result<Vec<u8>, Failure> {
        rooted!(&in(self.cx) let value = value.get(&self.state.roots));
        rooted!(&in(self.cx) let transfer = UndefinedValue());
        let bytes = attempt!(self, {
            // SAFETY: values are rooted; the buffer is valid until the end of the block. With the scope `DifferentProcess` the data has no
            // pointers, and all of it is copied to where there is room for it.
            unsafe {
                let buffer =
                    JSAutoStructuredCloneBufferWrapper::new(StructuredCloneScope::DifferentProcess, ptr::null());
                let data = &raw mut (*buffer.as_raw_ptr()).data_;
                let done = JS_WriteStructuredClone(
                    self.cx,
                    value.handle(),
                    data,
                    StructuredCloneScope::DifferentProcess,
                    &CLONE_POLICY,
                    ptr::null(),
                    ptr::null_mut(),
                    transfer.handle(),
                );
                ok(done).map(|()| {
                    let mut bytes = vec![0; GetLengthOfJSStructuredCloneData(data)];
                    CopyJSStructuredCloneData(data, bytes.as_mut_ptr());
                    bytes
                })
            }
        });
        Ok(bytes)
    }

    /// The value of bytes that [`Scope::serialize`] made, here or elsewhere: never of bytes from outside of the program.
    ///
    /// # Errors
    /// [`Failure`] when memory is exhausted, or the bytes are no value.
    pub fn deserialize(&mut self, bytes: &[u8]) -> Result<Value, Failure> {
        rooted!(&in(self.cx) let mut value = UndefinedValue());
        let value = attempt!(self, {
            // SAFETY: the buffer is valid until the end of the block, and takes a copy of the bytes. The engine checks what it reads; with the
            // scope `DifferentProcess` it takes no pointers from it.
            let done = unsafe {
                let buffer =
                    JSAutoStructuredCloneBufferWrapper::new(StructuredCloneScope::DifferentProcess, ptr::null());
                let data = &raw mut (*buffer.as_raw_ptr()).data_;
                WriteBytesToJSStructuredCloneData(bytes.as_ptr(), bytes.len(), data)
                    && JS_ReadStructuredClone(
                        self.cx,
                        data,
                        STRUCTURED_CLONE_VERSION,
                        StructuredCloneScope::DifferentProcess,
                        value.handle_mut(),
                        &CLONE_POLICY,
                        ptr::null(),
                        ptr::null_mut(),
                    )
            };
            ok(done).and_then(|()| value::from_js(self.cx, self.state, value.handle()))
        });
        Ok(value)
    }
}
