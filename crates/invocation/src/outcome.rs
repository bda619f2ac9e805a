//! How an invocation ended. Logs, tails, metrics and error pages share this one enum.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How an invocation ended, with workerd's names for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The Worker answered.
    Ok,
    /// The visitor went away before the response was complete.
    Canceled,
    /// Uncaught exception or rejection, or a response that can never come.
    Exception,
    /// The CPU time limit was reached.
    ExceededCpu,
    /// The memory limit was reached.
    ExceededMemory,
    /// What no visitor waits for (a cron event) took too long by the clock on the wall.
    ExceededWallTime,
    /// Culvert failed.
    InternalError,
    /// Refused because too much was waiting already.
    LoadShed,
    /// The visitor went away while the response body was being sent.
    ResponseStreamDisconnected,
    /// There is no such Worker (any more).
    ScriptNotFound,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: &'static [Outcome] = &[
        Self::Ok,
        Self::Canceled,
        Self::Exception,
        Self::ExceededCpu,
        Self::ExceededMemory,
        Self::ExceededWallTime,
        Self::InternalError,
        Self::LoadShed,
        Self::ResponseStreamDisconnected,
        Self::ScriptNotFound,
    ];

    /// The fixed spelling, as in `wrangler tail`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Canceled => "canceled",
            Self::Exception => "exception",
            Self::ExceededCpu => "exceededCpu",
            Self::ExceededMemory => "exceededMemory",
            Self::ExceededWallTime => "exceededWallTime",
            Self::InternalError => "internalError",
            Self::LoadShed => "loadShed",
            Self::ResponseStreamDisconnected => "responseStreamDisconnected",
            Self::ScriptNotFound => "scriptNotFound",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an outcome; the outcomes are ok, canceled, exception, exceededCpu, exceededMemory, exceededWallTime, internalError, loadShed, responseStreamDisconnected and scriptNotFound"
)]
pub struct UnknownOutcome(String);

impl FromStr for Outcome {
    type Err = UnknownOutcome;
    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL
            .iter()
            .copied()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| UnknownOutcome(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_and_text_agree() {
        for &outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
    }
}
