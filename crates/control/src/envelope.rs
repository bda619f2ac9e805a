//! The form of every answer: `{success, errors, messages, result, result_info}`. Whatever happens to a request, its
//! answer has this form.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use store::{StoreError, Thing};

use crate::codes::{self, Code};

/// A remark beside a result: something was accepted, but the caller should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) code: u32,
    pub(crate) message: String,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Reply {
    result: Value,
    result_info: Option<Value>,
    messages: Vec<Message>,
}

impl Reply {
    /// An answer with this result.
    pub(crate) fn new(result: impl Serialize) -> Result<Self, ApiError> {
        let result = serde_json::to_value(result).map_err(|error| ApiError::internal("writing the answer", &error))?;
        Ok(Reply { result, result_info: None, messages: Vec::new() })
    }

    /// An answer without a result.
    pub(crate) fn null() -> Self {
        Reply { result: Value::Null, result_info: None, messages: Vec::new() }
    }

    pub(crate) fn info(mut self, info: Value) -> Self {
        self.result_info = Some(info);
        self
    }

    pub(crate) fn messages(mut self, messages: Vec<Message>) -> Self {
        self.messages = messages;
        self
    }

    /// One page of a list that is in memory as a whole.
    pub(crate) fn page<T: Serialize>(items: Vec<T>, page: Page) -> Result<Self, ApiError> {
        let total = items.len();
        let shown: Vec<T> =
            items.into_iter().skip(page.per_page.saturating_mul(page.page - 1)).take(page.per_page).collect();
        let count = shown.len();
        Ok(Reply::new(shown)?.info(json!({
            "page": page.page,
            "per_page": page.per_page,
            "count": count,
            "total_count": total,
            "total_pages": total.div_ceil(page.per_page),
        })))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut envelope = json!({
            "success": true,
            "errors": [],
            "messages": self.messages,
            "result": self.result,
        });
        if let (Some(info), Some(envelope)) = (self.result_info, envelope.as_object_mut()) {
            envelope.insert("result_info".to_owned(), info);
        }
        respond(StatusCode::OK, HeaderMap::new(), &envelope)
    }
}

/// Which part of a list is wanted; both count from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) page: usize,
    pub(crate) per_page: usize,
}

/// One error object of an answer.
#[derive(Clone, Debug)]
struct ErrorItem {
    code: Code,
    message: String,
    pointer: Option<String>,
}

/// A failed answer.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    errors: Vec<ErrorItem>,
    headers: HeaderMap,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        ApiError { errors: vec![ErrorItem { code, message: message.into(), pointer: None }], headers: HeaderMap::new() }
    }

    /// A field of the request is wrong. `pointer` is a JSON pointer to it.
    pub(crate) fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        ApiError {
            errors: vec![ErrorItem {
                code: codes::INVALID_FIELD,
                message: message.into(),
                pointer: Some(pointer.into()),
            }],
            headers: HeaderMap::new(),
        }
    }

    /// Several fields are wrong at once; there must be at least one.
    pub(crate) fn fields(wrong: Vec<(String, String)>) -> Self {
        ApiError {
            errors: wrong
                .into_iter()
                .map(|(pointer, message)| ErrorItem { code: codes::INVALID_FIELD, message, pointer: Some(pointer) })
                .collect(),
            headers: HeaderMap::new(),
        }
    }

    /// A fault of this program: the caller learns that, the log learns the cause.
    pub(crate) fn internal(doing: &str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, doing, "a request to the API failed");
        ApiError::new(codes::INTERNAL, format!("Culvert failed while {doing}. The server's log says why."))
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same error under another code.
    pub(crate) fn recoded(mut self, code: Code) -> Self {
        for item in &mut self.errors {
            item.code = code;
        }
        self
    }

    /// The first error's words.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        self.errors.first().map_or("", |item| item.message.as_str())
    }

    /// The first error's code.
    pub(crate) fn code(&self) -> Option<Code> {
        self.errors.first().map(|item| item.code)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self
            .code()
            .and_then(|code| StatusCode::from_u16(code.status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let errors: Vec<Value> = self
            .errors
            .iter()
            .map(|item| match &item.pointer {
                None => json!({ "code": item.code.number, "message": item.message }),
                Some(pointer) => json!({
                    "code": item.code.number,
                    "message": item.message,
                    "source": { "pointer": pointer },
                }),
            })
            .collect();
        let envelope = json!({
            "success": false,
            "errors": errors,
            "messages": [],
            "result": null,
        });
        respond(status, self.headers, &envelope)
    }
}

fn respond(status: StatusCode, mut headers: HeaderMap, envelope: &Value) -> Response {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, headers, envelope.to_string()).into_response()
}

/// What to do where there is no such thing.
pub(crate) fn next_step(thing: Thing) -> &'static str {
    match thing {
        Thing::Worker => "Check its name, or deploy it first.",
        Thing::Version => "`wrangler versions list` shows those that do.",
        Thing::Deployment => "`wrangler deployments list` shows those that do.",
        Thing::Secret => "`wrangler secret list` shows those that do.",
        Thing::Service => "`wrangler vpc service list` shows those that do.",
        Thing::Tunnel => "`wrangler tunnel list` shows those that do.",
        Thing::Token => "`culvert token list` shows those that do.",
        Thing::Account | Thing::Certificate | Thing::Domain | Thing::Hostname | Thing::NetworkRoute | Thing::Route => {
            "List them to see those that do."
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_internal() {
            return ApiError::internal("using its database", &error);
        }
        let mut message = error.to_string();
        if let Some(first) = message.get(..1) {
            let upper = first.to_uppercase();
            message.replace_range(..1, &upper);
        }
        message.push('.');
        if let StoreError::NotFound { thing, .. } = &error {
            message.push(' ');
            message.push_str(next_step(*thing));
        }
        match &error {
            StoreError::Invalid { field, reason } => {
                ApiError::field(format!("/{field}"), format!("{field}: {reason}."))
            }
            StoreError::NotFound { thing, .. } => ApiError::new(
                match thing {
                    Thing::Worker => codes::WORKER_NOT_FOUND,
                    Thing::Tunnel => codes::TUNNEL_NOT_FOUND,
                    Thing::Secret => codes::BINDING_NOT_FOUND,
                    _ => codes::NOT_FOUND,
                },
                message,
            ),
            StoreError::AlreadyExists { thing, .. } => ApiError::new(
                match thing {
                    Thing::Tunnel => codes::TUNNEL_NAME_TAKEN,
                    _ => codes::ALREADY_EXISTS,
                },
                message,
            ),
            StoreError::ConcurrentChange { .. } => ApiError::new(codes::CONCURRENT_CHANGE, message),
            StoreError::QuotaExceeded { thing, .. } => ApiError::new(
                match thing {
                    Thing::Worker => codes::TOO_MANY_WORKERS,
                    _ => codes::QUOTA_EXCEEDED,
                },
                message,
            ),
            _ => ApiError::new(codes::IN_USE, message),
        }
    }
}
