//! What each connection error means: `GET /connection-errors`, the table of the crate `connection-error`, for anyone with a token.

use std::future::{Ready, ready};

use connection_error::{ROWS, Row};
use serde_json::{Value, json};

use crate::api::{Api, get};
use crate::auth::Access;
use crate::envelope::{ApiError, Reply};

fn view(row: &Row) -> Value {
    json!({
        "code": row.code,
        "category": row.category,
        "phases": row.phases,
        "meaning": row.meaning,
        "causes": row.causes,
        "fix": row.fix,
        "status": row.code.status(),
    })
}

fn list() -> Ready<Result<Reply, ApiError>> {
    ready(Reply::new(ROWS.iter().map(view).collect::<Vec<_>>()))
}

/// The operation.
pub(crate) fn add(api: Api) -> Api {
    api.add(get("/connection-errors", Access::AnyToken, "Read what each connection error means").list("ErrorRow"), list)
}
