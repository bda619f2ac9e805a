//! Reading JSON that somebody sent: strictly, so that nothing of a question is left out of its answer. A complaint names its
//! place as a JSON pointer without the first slash.

use serde_json::{Map, Value};

use crate::error::InvalidFilter;

/// What is wrong with the value at this place.
pub(super) fn wrong(at: &str, value: &Value, reason: impl Into<String>) -> InvalidFilter {
    match value {
        Value::String(text) => InvalidFilter::new(at, text, reason),
        other => InvalidFilter::new(at, &other.to_string(), reason),
    }
}

/// An object, and where it is.
#[derive(Debug)]
pub(super) struct Members<'a> {
    at: &'a str,
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Refuses what is no object, and members that are not known.
    pub(super) fn of(at: &'a str, value: &'a Value, known: &[&str]) -> Result<Self, InvalidFilter> {
        let Some(members) = value.as_object() else { return Err(wrong(at, value, "an object is expected")) };
        let read = Self { at, members };
        match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(read),
            Some((name, value)) => {
                let reason = format!("there is no such member; there are {}", known.join(", "));
                Err(wrong(&read.place(&name.replace('~', "~0").replace('/', "~1")), value, reason))
            }
        }
    }

    /// Where a member is.
    pub(super) fn place(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}/{name}", self.at) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    /// What is wrong with a member that is there, or lacking.
    pub(super) fn wrong(&self, name: &str, reason: impl Into<String>) -> InvalidFilter {
        wrong(&self.place(name), self.get(name).unwrap_or(&Value::Null), reason)
    }

    /// A member that has to be there.
    pub(super) fn needed(&self, name: &str) -> Result<&'a Value, InvalidFilter> {
        self.get(name).ok_or_else(|| self.wrong(name, "it is needed"))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, InvalidFilter> {
        self.read(name, "a text is expected", Value::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, InvalidFilter> {
        self.read(name, "true or false is expected", Value::as_bool)
    }

    /// One of some words.
    pub(super) fn word(&self, name: &str, words: &[&str]) -> Result<Option<&'a str>, InvalidFilter> {
        let known = |value: &'a Value| value.as_str().filter(|word| words.contains(word));
        self.read(name, &format!("one of {} is expected", words.join(", ")), known)
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, InvalidFilter> {
        let within = |value: &Value| value.as_u64().filter(|number| (least..=most).contains(number));
        self.read(name, &format!("a whole number from {least} to {most} is expected"), within)
    }

    /// A list with at most so many elements; an absent one is empty.
    pub(super) fn list(&self, name: &str, most: usize) -> Result<&'a [Value], InvalidFilter> {
        let within = |value: &'a Value| value.as_array().filter(|list| list.len() <= most);
        let list = self.read(name, &format!("a list with at most {most} elements is expected"), within)?;
        Ok(list.map_or(&[], Vec::as_slice))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, InvalidFilter> {
        self.get(name).map(|value| read(value).ok_or_else(|| self.wrong(name, expected))).transpose()
    }
}
