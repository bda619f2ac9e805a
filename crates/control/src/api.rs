//! The list of operations: each route with its method, the permission it needs, and one line on what it does. The
//! router and the OpenAPI document are both made from it, so that neither can know a route that the other does not.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};

use crate::ControlState;
use crate::auth::{Access, guard};
use crate::query::Parameter;

/// One operation of the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    /// Below the prefix, with parameters in braces.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) summary: &'static str,
    /// The query parameters that it takes.
    pub(crate) query: &'static [Parameter],
    /// The form of the request's body.
    pub(crate) body: Body,
    /// The form of the answer.
    pub(crate) answer: Answer,
}

impl Operation {
    /// The same, with these query parameters.
    pub(crate) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    /// The same, with a result of this form: the name of its schema.
    pub(crate) fn one(self, name: &'static str) -> Self {
        Self { answer: Answer::One(name), ..self }
    }

    /// The same, with a list of results of this form.
    pub(crate) fn list(self, name: &'static str) -> Self {
        Self { answer: Answer::List(name), ..self }
    }

    /// The same, without a result.
    pub(crate) fn nothing(self) -> Self {
        Self { answer: Answer::Nothing, ..self }
    }

    /// The same, answered with a Worker's modules.
    pub(crate) fn modules(self) -> Self {
        Self { answer: Answer::Modules, ..self }
    }

    /// The same, answered with a WebSocket.
    pub(crate) fn websocket(self) -> Self {
        Self { answer: Answer::WebSocket, ..self }
    }
}

/// The form of an answer, for the OpenAPI document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One of these, by the name of its schema.
    One(&'static str),
    /// A list of them.
    List(&'static str),
    /// Success, and nothing to tell.
    Nothing,
    /// The modules of a Worker as a multipart form, without envelope.
    Modules,
    /// A WebSocket instead of an answer.
    WebSocket,
    /// Not said. No operation may stay like this.
    Unsaid,
}

/// The form of a request's body, for the OpenAPI document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// There is none.
    None,
    /// JSON, by the name of its schema.
    Json(&'static str),
    /// A multipart form, by the name of its schema.
    Multipart(&'static str),
}

/// Operations on their way into a router.
pub(crate) struct Api {
    state: ControlState,
    pub(crate) router: Router<ControlState>,
    pub(crate) operations: Vec<Operation>,
}

impl Api {
    pub(crate) fn new(state: ControlState) -> Self {
        Api { state, router: Router::new(), operations: Vec::new() }
    }

    /// Adds an operation.
    pub(crate) fn add<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, ControlState>,
        T: 'static,
    {
        let filter = match operation.method {
            "GET" => MethodFilter::GET,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            "PATCH" => MethodFilter::PATCH,
            _ => MethodFilter::DELETE,
        };
        let guarded =
            on(filter, handler).route_layer(from_fn_with_state((self.state.clone(), operation.access), guard));
        self.router = self.router.route(operation.path, guarded);
        self.operations.push(operation);
        self
    }
}

/// Short forms for the lists in the modules.
pub(crate) fn get(path: &'static str, access: Access, summary: &'static str) -> Operation {
    Operation { method: "GET", path, access, summary, query: &[], body: Body::None, answer: Answer::Unsaid }
}

pub(crate) fn post(path: &'static str, access: Access, body: Body, summary: &'static str) -> Operation {
    Operation { method: "POST", path, access, summary, query: &[], body, answer: Answer::Unsaid }
}

pub(crate) fn put(path: &'static str, access: Access, body: Body, summary: &'static str) -> Operation {
    Operation { method: "PUT", path, access, summary, query: &[], body, answer: Answer::Unsaid }
}

pub(crate) fn patch(path: &'static str, access: Access, body: Body, summary: &'static str) -> Operation {
    Operation { method: "PATCH", path, access, summary, query: &[], body, answer: Answer::Unsaid }
}

pub(crate) fn delete(path: &'static str, access: Access, summary: &'static str) -> Operation {
    Operation { method: "DELETE", path, access, summary, query: &[], body: Body::None, answer: Answer::Unsaid }
}
