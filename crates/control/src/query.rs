//! Query parameters: each is declared once, with what it may be. Operations name those that they take, for the OpenAPI
//! document, and handlers read by the same declarations. What is given and not declared is left alone, because clients
//! send parameters that mean nothing here.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde_json::{Value, json};

use crate::codes;
use crate::envelope::{ApiError, Page};

/// What a query parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any text.
    Text,
    /// A text that a pattern (ECMA-262) describes; its reader says what is wrong with one that it does not describe.
    Pattern(&'static str),
    /// `true` or `false`.
    Flag,
    /// A UUID.
    Uuid,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number.
    Number {
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
        /// What counts when there is none.
        default: u32,
    },
}

/// A query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// What it does, for the document.
    pub(crate) about: &'static str,
}

impl Parameter {
    pub(crate) const fn new(name: &'static str, form: Form, about: &'static str) -> Self {
        Parameter { name, form, about }
    }

    /// Itself as the OpenAPI document has it.
    pub(crate) fn document(&self) -> Value {
        let schema = match self.form {
            Form::Text => json!({ "type": "string" }),
            Form::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
            Form::Flag => json!({ "type": "boolean" }),
            Form::Uuid => json!({ "type": "string", "format": "uuid" }),
            Form::Word(words) => json!({ "type": "string", "enum": words }),
            Form::Number { least, most, default } => {
                json!({ "type": "integer", "minimum": least, "maximum": most, "default": default })
            }
        };
        json!({ "name": self.name, "in": "query", "required": false, "description": self.about, "schema": schema })
    }

    fn wrong(&self, reason: String) -> ApiError {
        ApiError::field(format!("/{}", self.name), format!("{} {reason}", self.name))
    }
}

/// Which page of a list, from 1 on.
pub(crate) const PAGE: Parameter =
    Parameter::new("page", Form::Number { least: 1, most: u32::MAX, default: 1 }, "Which page, from 1 on.");

/// How many entries a page has.
pub(crate) const fn per_page(default: u32) -> Parameter {
    Parameter::new("per_page", Form::Number { least: 1, most: 1_000, default }, "How many entries a page has.")
}

/// That what is in use goes as well.
pub(crate) const FORCE: Parameter = Parameter::new("force", Form::Flag, "Also when it is in use.");

/// Query parameters in order, those that are given twice included.
pub(crate) struct QueryPairs(pub(crate) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state).await.map(|Query(pairs)| QueryPairs(pairs)).map_err(|error| {
            ApiError::new(codes::BAD_REQUEST, format!("The query cannot be understood: {}.", error.body_text()))
        })
    }
}

/// Query parameters; of one that is given twice the last counts.
pub(crate) struct QueryParams(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let QueryPairs(pairs) = QueryPairs::from_request_parts(parts, state).await?;
        Ok(QueryParams(pairs.into_iter().collect()))
    }
}

impl QueryParams {
    fn given(&self, parameter: &Parameter) -> Option<&str> {
        self.0.get(parameter.name).map(String::as_str)
    }

    /// A parameter that is there and not empty.
    pub(crate) fn text(&self, parameter: &Parameter) -> Option<&str> {
        self.given(parameter).filter(|text| !text.is_empty())
    }

    /// A parameter that is one of its words.
    pub(crate) fn word(&self, parameter: &Parameter) -> Result<Option<&str>, ApiError> {
        let Form::Word(words) = parameter.form else {
            return Err(ApiError::internal("reading the query", &format_args!("{} has no words", parameter.name)));
        };
        match self.given(parameter) {
            Some(text) if !words.contains(&text) => {
                Err(parameter.wrong(format!("must be {}, not \"{text}\".", words.join(" or "))))
            }
            given => Ok(given),
        }
    }

    /// A parameter that is a UUID.
    pub(crate) fn uuid(&self, parameter: &Parameter) -> Result<Option<uuid::Uuid>, ApiError> {
        self.given(parameter)
            .map(|text| {
                uuid::Uuid::parse_str(text).map_err(|_| parameter.wrong(format!("must be a UUID, not \"{text}\".")))
            })
            .transpose()
    }

    /// A whole number within the parameter's range.
    pub(crate) fn number(&self, parameter: &Parameter) -> Result<u32, ApiError> {
        let Form::Number { least, most, default } = parameter.form else {
            return Err(ApiError::internal("reading the query", &format_args!("{} is no number", parameter.name)));
        };
        match self.given(parameter) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
                parameter.wrong(format!("must be a whole number from {least} to {most}, not \"{text}\"."))
            }),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, parameter: &Parameter) -> Result<Option<bool>, ApiError> {
        match self.given(parameter) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(text) => Err(parameter.wrong(format!("must be true or false, not \"{text}\"."))),
        }
    }

    /// [`PAGE`] and the operation's [`per_page`].
    pub(crate) fn page(&self, per_page: &Parameter) -> Result<Page, ApiError> {
        Ok(Page { page: self.number(&PAGE)? as usize, per_page: self.number(per_page)? as usize })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn params(text: &str) -> QueryParams {
        QueryParams(
            text.split('&').filter_map(|pair| pair.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect(),
        )
    }

    #[test]
    fn what_is_declared_is_what_is_read() {
        const KIND: Parameter = Parameter::new("type", Form::Word(&["http", "tcp"]), "");
        const FORCE: Parameter = Parameter::new("force", Form::Flag, "");
        const ID: Parameter = Parameter::new("id", Form::Uuid, "");
        const SIZE: Parameter = per_page(20);
        let nil = uuid::Uuid::nil();
        let good = params(&format!("type=tcp&force=true&id={nil}&page=2"));
        assert_eq!(good.word(&KIND).unwrap(), Some("tcp"));
        assert_eq!(good.flag(&FORCE).unwrap(), Some(true));
        assert_eq!(good.uuid(&ID).unwrap(), Some(nil));
        let page = good.page(&SIZE).unwrap();
        assert_eq!((page.page, page.per_page), (2, 20));
        for wrong in ["type=udp&force=maybe&id=x&page=0", "type=&force=&id=&page="] {
            let wrong = params(wrong);
            assert!(wrong.word(&KIND).is_err() && wrong.flag(&FORCE).is_err() && wrong.uuid(&ID).is_err());
            assert!(wrong.page(&SIZE).is_err());
        }
        let nothing = params("");
        assert_eq!((nothing.word(&KIND).unwrap(), nothing.flag(&FORCE).unwrap()), (None, None));
        assert!(params("per_page=1001").page(&SIZE).is_err());
    }
}
