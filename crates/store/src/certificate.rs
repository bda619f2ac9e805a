//! Certificates that VPC Services refer to: authorities to trust and client certificates to show. Private keys are
//! sealed. That the PEM text is a certificate is checked by whoever accepts it.

use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, from_json, query, time, uuid};
use crate::error::{StoreError, Thing};
use crate::seal::{Sealer, Secret};
use crate::service::VpcServiceSpec;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateKind {
    /// To check services with.
    Authority,
    /// To show to services.
    Client,
}

/// A certificate, without its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Identifier.
    pub id: Uuid,
    /// The name that its maker gave it.
    pub name: String,
    /// What it is for.
    pub kind: CertificateKind,
    /// One or more certificates, PEM.
    pub pem: String,
    /// When it was uploaded.
    pub created_on: OffsetDateTime,
}

/// A certificate with the private key that it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Its private key, PEM; client certificates have one.
    pub key: Option<Secret>,
}

fn place(id: Uuid) -> String {
    format!("certificates/{id}/key")
}

fn read(row: &Row) -> Result<Certificate, StoreError> {
    Ok(Certificate {
        id: uuid(row, "certificates", "id")?,
        name: row.try_get("name")?,
        kind: if row.try_get::<i64>("ca")? == 1 { CertificateKind::Authority } else { CertificateKind::Client },
        pem: row.try_get("pem")?,
        created_on: time(row, "created_on")?,
    })
}

pub(crate) fn read_keyed(sealer: &Sealer, row: &Row) -> Result<KeyedCertificate, StoreError> {
    let certificate = read(row)?;
    let key = row
        .try_get::<Option<Vec<u8>>>("sealed_key")?
        .map(|sealed| sealer.open(&place(certificate.id), &sealed))
        .transpose()?;
    Ok(KeyedCertificate { certificate, key })
}

/// Errs unless there is such a certificate of this kind.
pub(crate) async fn require(transaction: &mut Transaction, id: Uuid, kind: CertificateKind) -> Result<(), StoreError> {
    query("SELECT 1 FROM certificates WHERE id = $1 AND ca = $2")
        .bind(id)
        .bind(i64::from(kind == CertificateKind::Authority))
        .fetch_optional(transaction)
        .await?
        .map(drop)
        .ok_or_else(|| StoreError::not_found(Thing::Certificate, id))
}

impl Store {
    /// Keeps a certificate.
    pub async fn create_certificate(
        &self,
        name: &str,
        kind: CertificateKind,
        pem: &str,
        key: Option<Secret>,
        by: &Actor,
    ) -> Result<Certificate, StoreError> {
        if kind == CertificateKind::Client && key.is_none() {
            return Err(StoreError::invalid("private_key", "a client certificate needs its private key"));
        }
        let mut write = Write::begin(self).await?;
        let certificate =
            Certificate { id: Uuid::new_v4(), name: name.to_owned(), kind, pem: pem.to_owned(), created_on: write.at };
        let sealed = key.map(|key| self.sealer.seal(&place(certificate.id), key.expose())).transpose()?;
        query(
            "INSERT INTO certificates (id, account_id, name, ca, pem, sealed_key, created_on)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(certificate.id)
        .bind(self.account.id.as_str())
        .bind(name)
        .bind(i64::from(kind == CertificateKind::Authority))
        .bind(pem)
        .bind(sealed)
        .bind(certificate.created_on)
        .execute(write.transaction())
        .await?;
        write
            .record(
                by,
                Change::new("create", Thing::Certificate, certificate.id)
                    .after(json!({ "name": name, "ca": kind == CertificateKind::Authority })),
            )
            .await?;
        write.commit().await?;
        Ok(certificate)
    }

    /// All certificates, the oldest first.
    pub async fn certificates(&self) -> Result<Vec<Certificate>, StoreError> {
        query("SELECT * FROM certificates WHERE account_id = $1 ORDER BY created_on, id")
            .bind(self.account.id.as_str())
            .fetch_all(&mut self.database.read().await?)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Deletes a certificate that no VPC Service refers to.
    pub async fn delete_certificate(&self, id: Uuid, by: &Actor) -> Result<Certificate, StoreError> {
        let mut write = Write::begin(self).await?;
        let row = query("SELECT * FROM certificates WHERE id = $1 AND account_id = $2")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(write.transaction())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Certificate, id))?;
        let certificate = read(&row)?;
        let mut users = Vec::new();
        let services = query("SELECT id, spec FROM services ORDER BY name").fetch_all(write.transaction()).await?;
        for service in services {
            let spec: VpcServiceSpec = from_json("services", service.try_get("id")?, service.try_get("spec")?)?;
            let uses = spec
                .tls
                .as_ref()
                .is_some_and(|tls| tls.certificate_authority == Some(id) || tls.client_certificate == Some(id));
            if uses || spec.policy.is_some_and(|policy| policy.trusted_roots.contains(&id)) {
                users.push(format!("VPC Service \"{}\"", spec.name));
            }
        }
        if !users.is_empty() {
            return Err(StoreError::InUse { thing: Thing::Certificate, name: certificate.name, users });
        }
        query("DELETE FROM certificates WHERE id = $1").bind(id).execute(write.transaction()).await?;
        write
            .record(by, Change::new("delete", Thing::Certificate, id).before(json!({ "name": certificate.name })))
            .await?;
        write.commit().await?;
        Ok(certificate)
    }
}
