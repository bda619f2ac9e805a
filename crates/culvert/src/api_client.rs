//! Talks to an edge's API: one envelope in, a result or a clear sentence out.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli;
use crate::failure::{Failure, root_cause};

/// The file in a data directory that holds its administrator's token.
pub const ADMIN_TOKEN_FILE: &str = "admin-token";

/// The account that `culvert serve` makes.
const ACCOUNT: &str = "local";

/// Larger answers than this are not read.
const LARGEST_ANSWER: usize = 64 << 20;

/// An API, and who talks to it.
pub struct ApiClient {
    base: String,
    token: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A body to send.
pub struct Payload {
    content_type: String,
    bytes: Bytes,
}

impl Payload {
    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Self { content_type: "application/json".to_owned(), bytes: value.to_string().into() }
    }

    /// A body of another type.
    pub fn new(content_type: String, bytes: impl Into<Bytes>) -> Self {
        Self { content_type, bytes: bytes.into() }
    }
}

impl ApiClient {
    /// The API and token that the arguments name.
    pub fn new(api: &cli::Api) -> Result<Self, Failure> {
        let token = match (&api.token, &api.data_dir) {
            (Some(token), _) => token.clone(),
            (None, Some(directory)) => {
                let path = directory.join(ADMIN_TOKEN_FILE);
                std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?
            }
            (None, None) => {
                return Err(Failure::usage(
                    "no API token: give --api-token TOKEN (or CULVERT_API_TOKEN), or --data-dir DIR with the edge's data directory",
                ));
            }
        };
        Ok(Self::with_token(&api.url, token.trim()))
    }

    /// An API by its address, and a token.
    pub fn with_token(url: &str, token: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/client/v4").unwrap_or(base);
        Self {
            base: format!("{base}/client/v4/accounts/{ACCOUNT}"),
            token: token.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// GET of a path below the account, `/cfd_tunnel` for example.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// GET of a list: its rows, and what is said besides (`result_info`).
    pub async fn get_list(&self, path: &str) -> Result<(Vec<Value>, Value), Failure> {
        let mut envelope = self.exchange(Method::GET, path, None).await?;
        let rows = match envelope.get_mut("result").map(Value::take) {
            Some(Value::Array(rows)) => rows,
            _ => return Err(Failure::failed(format!("{}{path} did not answer with a list", self.base))),
        };
        Ok((rows, envelope.get_mut("result_info").map(Value::take).unwrap_or_default()))
    }

    /// GET of a whole list, page by page, with this query.
    pub async fn get_all(&self, path: &str, query: &str) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        for page in 1u32.. {
            let (rows, _) = self.get_list(&format!("{path}?{query}&page={page}")).await?;
            if rows.is_empty() {
                break;
            }
            all.extend(rows);
        }
        Ok(all)
    }

    /// POST to a path below the account.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, payload: Payload) -> Result<T, Failure> {
        self.call(Method::POST, path, Some(payload)).await
    }

    /// PUT to a path below the account.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, payload: Payload) -> Result<T, Failure> {
        self.call(Method::PUT, path, Some(payload)).await
    }

    /// DELETE of a path below the account.
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        payload: Option<Payload>,
    ) -> Result<T, Failure> {
        let mut envelope = self.exchange(method, path, payload).await?;
        let result = envelope.get_mut("result").map(Value::take).unwrap_or_default();
        serde_json::from_value(result).map_err(|error| {
            Failure::failed(format!("{}{path} answered with something else than was expected: {error}", self.base))
        })
    }

    /// One call: its envelope when it succeeded.
    async fn exchange(&self, method: Method, path: &str, payload: Option<Payload>) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::USER_AGENT, concat!("culvert/", env!("CARGO_PKG_VERSION")));
        if let Some(payload) = &payload {
            request = request.header(header::CONTENT_TYPE, &payload.content_type);
        }
        let request = request
            .body(Full::new(payload.map(|payload| payload.bytes).unwrap_or_default()))
            .map_err(|error| Failure::usage(format!("`{url}` with this token is not a request: {error}")))?;
        let response = self.client.request(request).await.map_err(|error| {
            Failure::failed(format!(
                "cannot reach the API at {url}: {}. Is `culvert serve` running there? --api URL names another one",
                root_cause(&error)
            ))
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| Failure::failed(format!("the API's answer to {url} broke off: {error}")))?
            .to_bytes();
        let malformed = || {
            Failure::failed(format!(
                "{url} answered {status} with something that is not this API's envelope; is it an edge's API?"
            ))
        };
        let envelope: Value = serde_json::from_slice(&body).map_err(|_| malformed())?;
        if envelope.get("success").and_then(Value::as_bool) == Some(true) {
            return Ok(envelope);
        }
        let errors = envelope.get("errors").and_then(Value::as_array).ok_or_else(malformed)?;
        let sentences: Vec<String> = errors
            .iter()
            .map(|error| {
                let message = error.get("message").and_then(Value::as_str).unwrap_or("refused without a reason");
                match error.get("code").and_then(Value::as_u64) {
                    Some(code) => format!("{message} [code: {code}]"),
                    None => message.to_owned(),
                }
            })
            .collect();
        Err(Failure::failed(sentences.join("; ")))
    }
}
