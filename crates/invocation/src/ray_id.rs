//! The name of one visitor's request, on every page, log line and event that comes of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// 64 bits, written as 16 lower-case hexadecimal digits, as in the `CF-Ray` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RayId(pub u64);

/// Text that is not a ray id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a ray id: 16 hexadecimal digits are expected")]
pub struct InvalidRayId(String);

impl fmt::Display for RayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for RayId {
    type Err = InvalidRayId;
    fn from_str(text: &str) -> Result<Self, InvalidRayId> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(value) if digits => Ok(Self(value)),
            _ => Err(InvalidRayId(text.to_owned())),
        }
    }
}

impl From<RayId> for String {
    fn from(ray: RayId) -> String {
        ray.to_string()
    }
}

impl TryFrom<String> for RayId {
    type Error = InvalidRayId;
    fn try_from(text: String) -> Result<Self, InvalidRayId> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        let ray = RayId(0x0123_4567_89ab_cdef);
        assert_eq!(ray.to_string(), "0123456789abcdef");
        assert_eq!("0123456789abcdef".parse(), Ok(ray));
        for wrong in ["", "+123456789abcdef", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(wrong.parse::<RayId>().is_err(), "{wrong}");
        }
    }
}
