//! Reading versions.

use axum::extract::State;
use serde_json::json;

use crate::ControlState;
use crate::envelope::{ApiError, Reply};
use crate::query::{Parameter, QueryParams, per_page};
use crate::request::{Params, path_uuid};
use crate::worker::version_view;

pub(super) const PER_PAGE: Parameter = per_page(1_000);

/// `GET …/versions`: newest first.
pub(crate) async fn list(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let versions = state.store().versions(&script).await?;
    let total = versions.len();
    let items: Vec<_> = versions
        .iter()
        .skip(page.per_page.saturating_mul(page.page - 1))
        .take(page.per_page)
        .map(version_view)
        .collect();
    let count = items.len();
    Ok(Reply::new(json!({ "items": items }))?.info(json!({
        "page": page.page,
        "per_page": page.per_page,
        "count": count,
        "total_count": total,
        "total_pages": total.div_ceil(page.per_page),
    })))
}

/// `GET …/versions/{version}`.
pub(crate) async fn read(
    State(state): State<ControlState>,
    Params((_, script, version)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let version = state.store().version(&script, path_uuid(&version, "version")?).await?;
    Reply::new(version_view(&version))
}
