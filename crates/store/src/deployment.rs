//! Deployments: which versions of a Worker take its traffic, and how much each. A new deployment replaces the old
//! one at once and as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, from_json, query, time, to_json, uuid};
use crate::error::{StoreError, Thing};
use crate::version::{BindingKind, VersionDetail};

/// The most versions that one deployment may split traffic over.
pub const MAX_SHARES: usize = 10;

/// A share of the traffic in hundredths of a percent, 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentage(u16);

impl Percentage {
    /// All of it.
    pub const ALL: Percentage = Percentage(10_000);

    /// Takes a number of percent with at most two decimals.
    pub fn from_percent(percent: f64) -> Option<Self> {
        let scaled = percent * 100.0;
        let rounded = scaled.round();
        if (0.0..=10_000.0).contains(&rounded) && (scaled - rounded).abs() < 1e-6 {
            // In range and whole, as was just checked.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(Percentage(rounded as u16))
        } else {
            None
        }
    }

    /// Percent.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Hundredths of a percent.
    pub fn basis_points(self) -> u16 {
        self.0
    }
}

/// One version's part in a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The version.
    pub version_id: Uuid,
    /// Its part of the traffic.
    pub percentage: Percentage,
}

/// What a deployment says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentDetail {
    /// The program that made it: `wrangler`, `api`, `dash`, `terraform`.
    pub source: String,
    /// Who made it: the name of the API token.
    pub author: String,
    /// `workers/message`, `workers/triggered_by`.
    pub annotations: BTreeMap<String, String>,
}

/// A deployment of a Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Identifier.
    pub id: Uuid,
    /// 1 for the first deployment of a Worker, then rising by one. The highest one is in force.
    pub number: u32,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// What it says about itself.
    pub detail: DeploymentDetail,
    /// Its versions; the percentages add up to 100.
    pub shares: Vec<Share>,
}

impl Deployment {
    /// The version that a request goes to whose draw is `point`, a number that is evenly spread over 0 to 9,999.
    pub fn pick(&self, point: u16) -> Option<Uuid> {
        let mut end = 0;
        self.shares.iter().find_map(|share| {
            end += share.percentage.basis_points();
            (point < end).then_some(share.version_id)
        })
    }
}

/// Errs unless the shares are a whole.
pub fn check_shares(shares: &[Share]) -> Result<(), StoreError> {
    if shares.is_empty() || shares.len() > MAX_SHARES {
        return Err(StoreError::invalid(
            "versions",
            format!("a deployment has 1 to {MAX_SHARES} versions, this one has {}", shares.len()),
        ));
    }
    let distinct: BTreeSet<Uuid> = shares.iter().map(|share| share.version_id).collect();
    if distinct.len() != shares.len() {
        return Err(StoreError::invalid("versions", "the same version is listed more than once"));
    }
    let sum: u32 = shares.iter().map(|share| u32::from(share.percentage.basis_points())).sum();
    if sum != 10_000 {
        return Err(StoreError::invalid(
            "versions",
            format!("the percentages must add up to 100, these add up to {}", f64::from(sum) / 100.0),
        ));
    }
    Ok(())
}

/// Inserts a deployment; the shares must have been checked. The versions must be the Worker's own.
pub(crate) async fn insert(
    transaction: &mut Transaction,
    worker_id: Uuid,
    shares: Vec<Share>,
    detail: DeploymentDetail,
    at: OffsetDateTime,
) -> Result<Deployment, StoreError> {
    for share in &shares {
        query("SELECT 1 FROM versions WHERE id = $1 AND worker_id = $2")
            .bind(share.version_id)
            .bind(worker_id)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Version, share.version_id))?;
    }
    let number: u32 = query("SELECT COALESCE(MAX(number), 0) + 1 AS number FROM deployments WHERE worker_id = $1")
        .bind(worker_id)
        .fetch_one(&mut *transaction)
        .await?
        .number("deployments", "number")?;
    let deployment = Deployment { id: Uuid::new_v4(), number, created_on: at, detail, shares };
    query("INSERT INTO deployments (id, worker_id, number, detail, created_on) VALUES ($1, $2, $3, $4, $5)")
        .bind(deployment.id)
        .bind(worker_id)
        .bind(number)
        .bind(to_json("deployment", &deployment.detail)?)
        .bind(at)
        .execute(&mut *transaction)
        .await?;
    for share in &deployment.shares {
        query("INSERT INTO deployment_versions (deployment_id, version_id, basis_points) VALUES ($1, $2, $3)")
            .bind(deployment.id)
            .bind(share.version_id)
            .bind(share.percentage.basis_points())
            .execute(&mut *transaction)
            .await?;
    }
    Ok(deployment)
}

pub(crate) fn audit_view(deployment: &Deployment) -> serde_json::Value {
    json!({
        "deployment_id": deployment.id,
        "annotations": deployment.detail.annotations,
        "versions": deployment.shares.iter().map(|share| json!({
            "version_id": share.version_id,
            "percentage": share.percentage.percent(),
        })).collect::<Vec<_>>(),
    })
}

fn read(row: &Row, shares: Vec<Share>) -> Result<Deployment, StoreError> {
    let id = uuid(row, "deployments", "id")?;
    Ok(Deployment {
        id,
        number: row.number("deployments", "number")?,
        created_on: time(row, "created_on")?,
        detail: from_json("deployments", &id.to_string(), row.try_get("detail")?)?,
        shares,
    })
}

fn read_share(row: &Row) -> Result<Share, StoreError> {
    Ok(Share {
        version_id: uuid(row, "deployment_versions", "version_id")?,
        percentage: Percentage(row.number("deployment_versions", "basis_points")?),
    })
}

async fn read_shares(transaction: &mut Transaction, deployment: &str) -> Result<Vec<Share>, StoreError> {
    query(
        "SELECT version_id, basis_points FROM deployment_versions WHERE deployment_id = $1
         ORDER BY basis_points DESC, version_id",
    )
    .bind(deployment)
    .fetch_all(transaction)
    .await?
    .iter()
    .map(read_share)
    .collect()
}

/// The deployment of a Worker that is in force.
pub(crate) async fn current(transaction: &mut Transaction, worker_id: Uuid) -> Result<Option<Deployment>, StoreError> {
    let row = query("SELECT * FROM deployments WHERE worker_id = $1 ORDER BY number DESC LIMIT 1")
        .bind(worker_id)
        .fetch_optional(transaction)
        .await?;
    match row {
        None => Ok(None),
        Some(row) => {
            let shares = read_shares(transaction, row.try_get("id")?).await?;
            read(&row, shares).map(Some)
        }
    }
}

/// The deployments that are in force, by the identifiers of their Workers.
pub(crate) async fn all_current(transaction: &mut Transaction) -> Result<HashMap<Uuid, Deployment>, StoreError> {
    let mut shares: HashMap<Uuid, Vec<Share>> = HashMap::new();
    let rows = query(
        "SELECT d.id, s.version_id, s.basis_points FROM workers w
         JOIN deployments d ON d.worker_id = w.id
           AND d.number = (SELECT MAX(number) FROM deployments WHERE worker_id = w.id)
         JOIN deployment_versions s ON s.deployment_id = d.id
         ORDER BY s.basis_points DESC, s.version_id",
    )
    .fetch_all(transaction)
    .await?;
    for row in rows {
        shares.entry(uuid(&row, "deployments", "id")?).or_default().push(read_share(&row)?);
    }
    let rows = query(
        "SELECT d.* FROM workers w JOIN deployments d ON d.worker_id = w.id
           AND d.number = (SELECT MAX(number) FROM deployments WHERE worker_id = w.id)",
    )
    .fetch_all(transaction)
    .await?;
    rows.iter()
        .map(|row| {
            let shares = shares.remove(&uuid(row, "deployments", "id")?).unwrap_or_default();
            Ok((uuid(row, "deployments", "worker_id")?, read(row, shares)?))
        })
        .collect()
}

/// The Workers whose deployed versions have a binding that fits, each as `Worker "name"`.
pub(crate) async fn deployed_users(
    transaction: &mut Transaction,
    fits: impl Fn(&BindingKind) -> bool,
) -> Result<Vec<String>, StoreError> {
    let rows = query(
        "SELECT w.name, v.id, v.detail FROM workers w
         JOIN deployments d ON d.worker_id = w.id
           AND d.number = (SELECT MAX(number) FROM deployments WHERE worker_id = w.id)
         JOIN deployment_versions s ON s.deployment_id = d.id
         JOIN versions v ON v.id = s.version_id ORDER BY w.name",
    )
    .fetch_all(transaction)
    .await?;
    let mut users = Vec::new();
    for row in rows {
        let detail: VersionDetail = from_json("versions", row.try_get("id")?, row.try_get("detail")?)?;
        if detail.bindings.iter().any(|binding| fits(&binding.kind)) {
            users.push(format!("Worker \"{}\"", row.try_get::<String>("name")?));
        }
    }
    users.dedup();
    Ok(users)
}

impl Store {
    /// Puts versions of a Worker in force. Every request after this returned, and after the serving path took the
    /// new snapshot, goes to them.
    pub async fn deploy(
        &self,
        worker: &str,
        shares: Vec<Share>,
        detail: DeploymentDetail,
        by: &Actor,
    ) -> Result<Deployment, StoreError> {
        check_shares(&shares)?;
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.transaction(), worker).await?;
        let before = current(write.transaction(), worker_id).await?;
        let at = write.at;
        let deployment = insert(write.transaction(), worker_id, shares, detail, at).await?;
        let mut change = Change::new("deploy", Thing::Worker, worker).after(audit_view(&deployment));
        if let Some(before) = before {
            change = change.before(audit_view(&before));
        }
        write.record(by, change).await?;
        write.commit().await?;
        Ok(deployment)
    }

    /// One deployment of a Worker.
    pub async fn deployment(&self, worker: &str, id: Uuid) -> Result<Deployment, StoreError> {
        let mut transaction = self.database.read().await?;
        let worker_id = self.worker_id_in(&mut transaction, worker).await?;
        let row = query("SELECT * FROM deployments WHERE id = $1 AND worker_id = $2")
            .bind(id)
            .bind(worker_id)
            .fetch_optional(&mut transaction)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Deployment, id))?;
        let shares = read_shares(&mut transaction, row.try_get("id")?).await?;
        read(&row, shares)
    }

    /// Deletes a deployment that is not in force any more.
    pub async fn delete_deployment(&self, worker: &str, id: Uuid, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.transaction(), worker).await?;
        if current(write.transaction(), worker_id).await?.is_some_and(|current| current.id == id) {
            let users = vec![format!("the traffic of Worker \"{worker}\"")];
            return Err(StoreError::InUse { thing: Thing::Deployment, name: id.to_string(), users });
        }
        let row = query("SELECT * FROM deployments WHERE id = $1 AND worker_id = $2")
            .bind(id)
            .bind(worker_id)
            .fetch_optional(write.transaction())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Deployment, id))?;
        let shares = read_shares(write.transaction(), row.try_get("id")?).await?;
        let mut before = audit_view(&read(&row, shares)?);
        before["worker"] = worker.into();
        query("DELETE FROM deployments WHERE id = $1").bind(id).execute(write.transaction()).await?;
        write.record(by, Change::new("delete", Thing::Deployment, id).before(before)).await?;
        write.commit().await
    }

    /// The deployments of a Worker, the newest first. The first one is in force.
    pub async fn deployments(&self, worker: &str, limit: u32) -> Result<Vec<Deployment>, StoreError> {
        let worker_id = self.worker_id(worker).await?;
        let mut transaction = self.database.read().await?;
        let rows = query("SELECT * FROM deployments WHERE worker_id = $1 ORDER BY number DESC LIMIT $2")
            .bind(worker_id)
            .bind(limit)
            .fetch_all(&mut transaction)
            .await?;
        let mut deployments = Vec::with_capacity(rows.len());
        for row in rows {
            let shares = read_shares(&mut transaction, row.try_get("id")?).await?;
            deployments.push(read(&row, shares)?);
        }
        Ok(deployments)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn share(percent: f64) -> Share {
        Share { version_id: Uuid::new_v4(), percentage: Percentage::from_percent(percent).unwrap() }
    }

    #[test]
    fn percentages_have_two_decimals_and_stay_in_range() {
        assert_eq!(Percentage::from_percent(100.0), Some(Percentage::ALL));
        assert_eq!(Percentage::from_percent(33.33).unwrap().basis_points(), 3333);
        assert_eq!(Percentage::from_percent(0.01).unwrap().percent(), 0.01);
        for wrong in [-1.0, 100.01, 33.333, f64::NAN, f64::INFINITY] {
            assert_eq!(Percentage::from_percent(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn shares_must_be_whole_distinct_and_few() {
        assert!(check_shares(&[share(100.0)]).is_ok());
        assert!(check_shares(&[share(100.0), share(0.0)]).is_ok());
        assert!(check_shares(&[share(33.33), share(66.67)]).is_ok());
        assert!(check_shares(&[]).is_err());
        assert!(check_shares(&[share(99.99)]).is_err());
        assert!(check_shares(&[share(60.0), share(60.0)]).is_err());
        let half = share(50.0);
        assert!(check_shares(&[half, half]).is_err());
        assert!(check_shares(&[share(9.0); 11]).is_err());
    }

    #[test]
    fn a_split_gives_each_version_exactly_its_share() {
        let deployment = Deployment {
            id: Uuid::new_v4(),
            number: 1,
            created_on: OffsetDateTime::UNIX_EPOCH,
            detail: DeploymentDetail::default(),
            shares: vec![share(12.5), share(0.0), share(87.5)],
        };
        let count = |at: usize| {
            (0..10_000).filter(|point| deployment.pick(*point) == Some(deployment.shares[at].version_id)).count()
        };
        assert_eq!((count(0), count(1), count(2)), (1_250, 0, 8_750));
        assert_eq!(deployment.pick(10_000), None);
    }
}
