//! Random bytes of the operating system's quality.

use isolate::{Arguments, Scope, Throw, Value};

/// The most bytes at once, as `crypto.getRandomValues` allows.
const LIMIT: u64 = 65_536;

fn fill(bytes: &mut [u8]) -> Result<(), Throw> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Throw::Error("The system has no random numbers.".to_owned()))
}

/// `randomBytes(count)`
pub(super) fn bytes(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let count = super::id(arguments, 0)?;
    if count > LIMIT {
        return Err(Throw::RangeError(format!("At most {LIMIT} random bytes can be had at once.")));
    }
    let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
    fill(&mut bytes)?;
    Ok(Value::Bytes(bytes))
}

/// `randomUuid()`
pub(super) fn uuid(_: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(Value::String(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()))
}
