//! Who binds a VPC Service, or a whole network by its tunnel: the versions that are deployed, as `…/references`.

use axum::extract::State;
use serde_json::{Value, json};
use store::{BindingKind, Snapshot};

use crate::ControlState;
use crate::envelope::{ApiError, Reply};
use crate::request::{Params, path_uuid};
use crate::worker::percent;

/// A row for each binding that fits, by Worker.
fn references(snapshot: &Snapshot, fits: impl Fn(&BindingKind) -> bool) -> Vec<Value> {
    let mut rows = Vec::new();
    for (worker, served) in &snapshot.workers {
        for share in served.deployment.iter().flat_map(|deployment| &deployment.shares) {
            let bindings =
                served.versions.get(&share.version_id).into_iter().flat_map(|one| &one.version.detail.bindings);
            rows.extend(bindings.filter(|binding| fits(&binding.kind)).map(|binding| {
                json!({
                    "worker": worker,
                    "binding": binding.name,
                    "version_id": share.version_id,
                    "percentage": percent(share.percentage.percent()),
                })
            }));
        }
    }
    rows
}

/// `GET …/services/{service}/references`.
pub(super) async fn of_service(
    State(state): State<ControlState>,
    Params((_, service)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = state.store().service(path_uuid(&service, "VPC Service")?).await?.id;
    let snapshot = state.store().snapshot().await?;
    Reply::new(references(&snapshot, |kind| kind.service_id() == Some(id)))
}

/// `GET …/cfd_tunnel/{tunnel}/references`.
pub(crate) async fn of_tunnel(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?.id;
    let snapshot = state.store().snapshot().await?;
    Reply::new(references(&snapshot, |kind| kind.tunnel_id() == Some(id)))
}
