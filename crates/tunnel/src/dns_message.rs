//! How far the parts of a DNS message reach (RFC 1035 section 4.1). Both ends of a tunnel look no deeper into one.

/// Length of a message's header.
pub(crate) const HEADER: usize = 12;

/// Where the question that begins at `start` ends: after its name, type and class. The message may be shorter. `None` when the
/// name cannot be read; a pointer has no place in it.
pub(crate) fn question_end(message: &[u8], start: usize) -> Option<usize> {
    let mut end = start;
    loop {
        let length = usize::from(*message.get(end)?);
        if length & 0xc0 != 0 {
            return None;
        }
        end += 1 + length;
        if length == 0 {
            return Some(end + 4);
        }
    }
}
