//! W3C Trace Context: which trace a request belongs to, and under which span.

use std::fmt;

/// One span of a trace, as it is passed on to whoever works for it.
///
/// A visitor's request has it in its extensions, where it is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span that passes this on; never 0.
    pub span_id: u64,
    /// The span above that one, where the trace did not begin with it.
    pub parent_id: Option<u64>,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// The header that carries it.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what vendors add to it.
pub const TRACESTATE: &str = "tracestate";

/// `00-` trace id `-` span id `-` flags.
const LENGTH: usize = 55;

impl TraceContext {
    /// Reads a `traceparent` header; `None` when it is not valid, which begins a new trace. The span in it is the sender's.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let fixed = traceparent.get(..LENGTH)?;
        let mut parts = fixed.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = [version.len(), trace.len(), span.len(), flags.len()];
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if lengths != [2, 32, 16, 2]
            || parts.next().is_some()
            || !fixed.bytes().all(|byte| byte == b'-' || is_hex(byte))
        {
            return None;
        }
        // A later version may say more after the flags.
        let has_more = traceparent.len() > LENGTH;
        if version == "ff" || has_more && (version == "00" || traceparent.as_bytes().get(LENGTH) != Some(&b'-')) {
            return None;
        }
        let context = Self {
            trace_id: u128::from_str_radix(trace, 16).ok()?,
            span_id: u64::from_str_radix(span, 16).ok()?,
            parent_id: None,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// A new trace, of which a share is recorded.
    pub fn begin(share: f64) -> Self {
        let sampled = fastrand::f64() < share;
        Self { trace_id: fastrand::u128(1..), span_id: fastrand::u64(1..), parent_id: None, sampled }
    }

    /// A span under this one.
    pub fn child(&self, span_id: u64) -> Self {
        Self { span_id, parent_id: Some(self.span_id), ..*self }
    }
}

/// As in the `traceparent` header.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_goes_both_ways() {
        let context = TraceContext::parse(GIVEN).unwrap();
        assert!(context.sampled);
        assert_eq!(context.to_string(), GIVEN);
        let child = context.child(7);
        assert_eq!(child.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01");
        assert_eq!(child.parent_id, Some(context.span_id));
        let later = format!("cc{}-what-comes", &GIVEN[2..]);
        assert_eq!(TraceContext::parse(&later), Some(context));
    }

    #[test]
    fn what_is_not_valid_is_nothing() {
        for wrong in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4bf92f3577b34da6a3ce929d0e0e473600-f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bé-01",
            "00-4bf92f3577b34da6-a3ce929d0e0e4736-00f067aa0ba902b-01",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }
}
