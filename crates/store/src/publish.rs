//! Publishing: a new version of a Worker, with the Worker itself where it is the first, and with a deployment where
//! it is to take the traffic; all of it in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Transaction, Write, query, to_json};
use crate::deployment::{self, Deployment, DeploymentDetail, Percentage, Share};
use crate::error::{StoreError, Thing};
use crate::seal::Secret;
use crate::version::{self, BindingKind, Module, Version, VersionDetail, etag, read_secrets, secret_place};
use crate::worker::{self, SettingsPatch, Worker};

/// The code of a new version.
#[derive(Clone, Debug)]
pub enum Code {
    /// These modules, in this order.
    Modules(Vec<Module>),
    /// The same as that of another version of the store, by its etag.
    SameAs(String),
}

/// What a new version was derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing: it replaces whatever is there.
    Any,
    /// The version of this number, which must still be the newest (`None`: there was none). Otherwise something
    /// that it inherits may be lost, and [`StoreError::ConcurrentChange`] is returned.
    Latest(Option<u32>),
}

/// What to do where there is no such Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfAbsent {
    /// Make it.
    Create,
    /// Refuse.
    Refuse,
}

/// A version to be made.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Its code.
    pub code: Code,
    /// Everything else about it.
    pub detail: VersionDetail,
    /// The text of each `secret_text` binding, by name.
    pub secrets: BTreeMap<String, Secret>,
}

/// What to publish.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The Worker's name.
    pub worker: String,
    /// What to do where there is none.
    pub if_absent: IfAbsent,
    /// What the version was derived from.
    pub base: Base,
    /// The version.
    pub version: NewVersion,
    /// Give it all the traffic.
    pub deploy: Option<DeploymentDetail>,
    /// Set these on the Worker.
    pub settings: SettingsPatch,
}

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The Worker.
    pub worker: Worker,
    /// The new version.
    pub version: Version,
    /// The deployment, where one was asked for.
    pub deployment: Option<Deployment>,
    /// True when the Worker is new.
    pub created: bool,
}

async fn keep_bundle(transaction: &mut Transaction, modules: &[Module]) -> Result<String, StoreError> {
    let etag = etag(modules);
    let size: usize = modules.iter().map(|module| module.body.len()).sum();
    let made = query("INSERT INTO bundles (etag, size) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&etag)
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
    if made == 0 {
        return Ok(etag);
    }
    for (position, module) in modules.iter().enumerate() {
        query("INSERT INTO modules (etag, position, name, kind, body) VALUES ($1, $2, $3, $4, $5)")
            .bind(&etag)
            .bind(i64::try_from(position).unwrap_or(i64::MAX))
            .bind(&module.name)
            .bind(module.kind.content_type())
            .bind(module.body.as_ref())
            .execute(&mut *transaction)
            .await?;
    }
    Ok(etag)
}

/// What the log says of a secret: which, and that there is one.
fn secret_view(worker: &str, name: &str) -> Value {
    json!({ "worker": worker, "name": name, "text": "(masked)" })
}

/// Names each secret that a version has and the one before it had not, had with another text, or had alone.
async fn record_secrets(
    write: &mut Write<'_>,
    by: &Actor,
    worker: &str,
    before: &BTreeMap<String, Secret>,
    after: &BTreeMap<String, Secret>,
) -> Result<(), StoreError> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (action, was, is) = match (before.get(name), after.get(name)) {
            (None, Some(_)) => ("create", false, true),
            (Some(_), None) => ("delete", true, false),
            (Some(old), Some(new)) if old != new => ("update", true, true),
            _ => continue,
        };
        let mut change = Change::new(action, Thing::Secret, format!("{worker}/{name}"));
        if was {
            change = change.before(secret_view(worker, name));
        }
        if is {
            change = change.after(secret_view(worker, name));
        }
        write.record(by, change).await?;
    }
    Ok(())
}

fn version_view(worker: &str, version: &Version) -> Value {
    json!({ "worker": worker, "number": version.number, "etag": version.etag, "detail": version.detail })
}

fn check_secrets(version: &NewVersion) -> Result<(), StoreError> {
    let mut named = 0;
    for binding in &version.detail.bindings {
        if binding.kind == BindingKind::SecretText {
            named += 1;
            if !version.secrets.contains_key(&binding.name) {
                return Err(StoreError::invalid("bindings", format!("secret \"{}\" has no text", binding.name)));
            }
        }
    }
    if named != version.secrets.len() {
        return Err(StoreError::invalid("bindings", "a secret's text was given that no binding names"));
    }
    Ok(())
}

impl Store {
    /// Makes a version, and deploys it where that is asked for.
    pub async fn publish(&self, publish: Publish, by: &Actor) -> Result<Published, StoreError> {
        check_secrets(&publish.version)?;
        if let Code::Modules(modules) = &publish.version.code
            && modules.is_empty()
        {
            return Err(StoreError::invalid("modules", "a version needs code"));
        }
        let mut write = Write::begin(self).await?;
        let at = write.at;
        let account = self.account.id.as_str();
        let name = &publish.worker;
        let found = worker::find(write.transaction(), account, name).await?;
        let created = found.is_none();
        let mut owner = match (found, publish.if_absent) {
            (Some(worker), _) => worker,
            (None, IfAbsent::Refuse) => return Err(StoreError::not_found(Thing::Worker, name)),
            (None, IfAbsent::Create) => worker::make(write.transaction(), account, name, at).await?,
        };
        let before = owner.settings.clone();
        publish.settings.apply(&mut owner.settings);
        owner.modified_on = at;
        worker::update(write.transaction(), &owner).await?;

        let follows = query("SELECT * FROM versions WHERE worker_id = $1 ORDER BY number DESC LIMIT 1")
            .bind(owner.id)
            .fetch_optional(write.transaction())
            .await?
            .as_ref()
            .map(version::read)
            .transpose()?;
        let latest = follows.as_ref().map_or(0, |version| version.number);
        if let Base::Latest(expected) = publish.base
            && expected.unwrap_or(0) != latest
        {
            return Err(StoreError::ConcurrentChange { worker: name.clone() });
        }
        if owner.settings != before {
            write.record(by, Change::new("update", Thing::Worker, name).before(&before).after(&owner.settings)).await?;
        }
        let NewVersion { code, detail, secrets } = publish.version;
        let etag = match code {
            Code::Modules(modules) => keep_bundle(write.transaction(), &modules).await?,
            Code::SameAs(etag) => etag,
        };
        let version = Version { id: Uuid::new_v4(), number: latest + 1, etag, created_on: at, detail };
        query("INSERT INTO versions (id, worker_id, number, etag, detail, created_on) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(version.id)
            .bind(owner.id)
            .bind(version.number)
            .bind(&version.etag)
            .bind(to_json("version", &version.detail)?)
            .bind(at)
            .execute(write.transaction())
            .await?;
        for (secret_name, secret) in &secrets {
            let sealed = self.sealer.seal(&secret_place(version.id, secret_name), secret.expose())?;
            query("INSERT INTO version_secrets (version_id, name, sealed) VALUES ($1, $2, $3)")
                .bind(version.id)
                .bind(secret_name)
                .bind(sealed)
                .execute(write.transaction())
                .await?;
        }
        let secrets_before = match &follows {
            Some(follows) => read_secrets(write.transaction(), &self.sealer, follows.id).await?,
            None => BTreeMap::new(),
        };
        record_secrets(&mut write, by, name, &secrets_before, &secrets).await?;
        let mut change = Change::new("create", Thing::Version, version.id).after(version_view(name, &version));
        if let Some(follows) = &follows {
            change = change.before(version_view(name, follows));
        }
        write.record(by, change).await?;

        let deployment = match publish.deploy {
            None => None,
            Some(detail) => {
                let before = deployment::current(write.transaction(), owner.id).await?;
                let shares = vec![Share { version_id: version.id, percentage: Percentage::ALL }];
                let deployment = deployment::insert(write.transaction(), owner.id, shares, detail, at).await?;
                let mut change = Change::new("deploy", Thing::Worker, name).after(deployment::audit_view(&deployment));
                if let Some(before) = before {
                    change = change.before(deployment::audit_view(&before));
                }
                write.record(by, change).await?;
                Some(deployment)
            }
        };
        write.commit().await?;
        Ok(Published { worker: owner, version, deployment, created })
    }
}
