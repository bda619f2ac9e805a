//! VPC Services: one registered target behind a tunnel. The types allow only what the data model allows; the words
//! in which a bad request is refused are the API's business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Write, from_json, query, time, to_json, uuid};
use crate::error::{StoreError, Thing};
use crate::service_policy::ServicePolicy;

/// The most VPC Services that an account may have.
pub const MAX_SERVICES: u64 = 1_000;

/// Whether something is deleted although others use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Refuse, and name the users.
    No,
    /// Delete it; its users fail from then on.
    Yes,
}

/// A certificate check, after the API's `cert_verification_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertVerificationMode {
    /// Neither chain nor name is checked.
    Disabled,
    /// The chain is checked, the name is not.
    VerifyCa,
    /// Chain and name are checked.
    #[default]
    VerifyFull,
}

impl CertVerificationMode {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            CertVerificationMode::Disabled => "disabled",
            CertVerificationMode::VerifyCa => "verify_ca",
            CertVerificationMode::VerifyFull => "verify_full",
        }
    }
}

/// How TLS to the service is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// How its certificate is checked.
    pub cert_verification_mode: CertVerificationMode,
    /// Trust this certificate authority instead of the public ones: identifier of a [`crate::Certificate`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate_authority: Option<Uuid>,
    /// Show this client certificate: identifier of a [`crate::Certificate`] with a key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_certificate: Option<Uuid>,
}

/// The wire protocol of a TCP service, for those who look for services of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    /// MySQL.
    Mysql,
    /// PostgreSQL.
    Postgresql,
}

/// What is spoken with the service, and on which ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP. The ports are kept as they were given; [`Protocol::http_ports`] says what they mean.
    Http {
        /// The port for `http://`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        http_port: Option<u16>,
        /// The port for `https://`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        https_port: Option<u16>,
    },
    /// Raw TCP.
    Tcp {
        /// The port.
        tcp_port: u16,
        /// Its protocol, if known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        app_protocol: Option<AppProtocol>,
    },
}

impl Protocol {
    /// `http` or `tcp`.
    pub fn kind(&self) -> &'static str {
        match self {
            Protocol::Http { .. } => "http",
            Protocol::Tcp { .. } => "tcp",
        }
    }

    /// The ports for `http://` and `https://`. Both are on by default (80 and 443); giving only one of the two
    /// ports turns the other scheme off. A TCP service has neither.
    pub fn http_ports(&self) -> (Option<u16>, Option<u16>) {
        match self {
            Protocol::Http { http_port: None, https_port: None } => (Some(80), Some(443)),
            Protocol::Http { http_port, https_port } => (*http_port, *https_port),
            Protocol::Tcp { .. } => (None, None),
        }
    }
}

/// Where the service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceHost {
    /// By address; at least one of the two is there.
    Address {
        /// The IPv4 address.
        ipv4: Option<Ipv4Addr>,
        /// The IPv6 address.
        ipv6: Option<Ipv6Addr>,
        /// The tunnel that leads there.
        tunnel_id: Uuid,
    },
    /// By name, resolved on the other side of the tunnel.
    Hostname {
        /// The name, lower case, without a final dot.
        hostname: String,
        /// The tunnel that leads there.
        tunnel_id: Uuid,
        /// The resolvers to ask; none: the connector's own.
        resolver_ips: Vec<IpAddr>,
    },
}

impl ServiceHost {
    /// The tunnel that leads there.
    pub fn tunnel_id(&self) -> Uuid {
        match self {
            ServiceHost::Address { tunnel_id, .. } | ServiceHost::Hostname { tunnel_id, .. } => *tunnel_id,
        }
    }
}

/// What a VPC Service is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcServiceSpec {
    /// Unique in the account.
    pub name: String,
    /// What is spoken with it.
    pub protocol: Protocol,
    /// Where it is.
    pub host: ServiceHost,
    /// How TLS is done; absent where the maker said nothing, which means the defaults.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<TlsSettings>,
    /// Timeouts and limits; absent where the maker said nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<ServicePolicy>,
}

/// A VPC Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcService {
    /// Identifier, as in a Worker's binding.
    pub id: Uuid,
    /// What it is made of.
    pub spec: VpcServiceSpec,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// When it was changed last.
    pub modified_on: OffsetDateTime,
}

pub(crate) fn read(row: &Row) -> Result<VpcService, StoreError> {
    let id = uuid(row, "services", "id")?;
    Ok(VpcService {
        id,
        spec: from_json("services", &id.to_string(), row.try_get("spec")?)?,
        created_on: time(row, "created_on")?,
        modified_on: time(row, "modified_on")?,
    })
}

/// Errs unless everything that the specification points at exists.
async fn check_references(write: &mut Write<'_>, spec: &VpcServiceSpec) -> Result<(), StoreError> {
    crate::tunnel::require_live(write.transaction(), spec.host.tunnel_id()).await?;
    if let Some(tls) = &spec.tls {
        if let Some(id) = tls.certificate_authority {
            crate::certificate::require(write.transaction(), id, crate::CertificateKind::Authority).await?;
        }
        if let Some(id) = tls.client_certificate {
            crate::certificate::require(write.transaction(), id, crate::CertificateKind::Client).await?;
        }
    }
    for id in spec.policy.iter().flat_map(|policy| &policy.trusted_roots) {
        crate::certificate::require(write.transaction(), *id, crate::CertificateKind::Authority).await?;
    }
    Ok(())
}

fn name_taken(error: StoreError, name: &str) -> StoreError {
    if error.is_unique_violation() {
        StoreError::AlreadyExists { thing: Thing::Service, name: name.to_owned() }
    } else {
        error
    }
}

impl Store {
    /// Makes a VPC Service. Its tunnel and certificates must exist.
    pub async fn create_service(&self, spec: VpcServiceSpec, by: &Actor) -> Result<VpcService, StoreError> {
        let mut write = Write::begin(self).await?;
        check_references(&mut write, &spec).await?;
        let count: u64 = query("SELECT COUNT(*) AS count FROM services WHERE account_id = $1")
            .bind(self.account.id.as_str())
            .fetch_one(write.transaction())
            .await?
            .number("services", "count")?;
        if count >= MAX_SERVICES {
            return Err(StoreError::QuotaExceeded { thing: Thing::Service, limit: MAX_SERVICES });
        }
        let service = VpcService { id: Uuid::new_v4(), spec, created_on: write.at, modified_on: write.at };
        query(
            "INSERT INTO services (id, account_id, name, kind, tunnel_id, spec, created_on, modified_on)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(service.id)
        .bind(self.account.id.as_str())
        .bind(&service.spec.name)
        .bind(service.spec.protocol.kind())
        .bind(service.spec.host.tunnel_id().to_string())
        .bind(to_json("service", &service.spec)?)
        .bind(service.created_on)
        .execute(write.transaction())
        .await
        .map_err(|error| name_taken(error, &service.spec.name))?;
        write.record(by, Change::new("create", Thing::Service, service.id).after(&service.spec)).await?;
        write.commit().await?;
        Ok(service)
    }

    /// All VPC Services, the oldest first.
    pub async fn services(&self) -> Result<Vec<VpcService>, StoreError> {
        query("SELECT * FROM services WHERE account_id = $1 ORDER BY created_on, id")
            .bind(self.account.id.as_str())
            .fetch_all(&mut self.database.read().await?)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// One VPC Service.
    pub async fn service(&self, id: Uuid) -> Result<VpcService, StoreError> {
        let row = query("SELECT * FROM services WHERE id = $1 AND account_id = $2")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(&mut self.database.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Service, id))?;
        read(&row)
    }

    /// Replaces a VPC Service as a whole.
    pub async fn replace_service(&self, id: Uuid, spec: VpcServiceSpec, by: &Actor) -> Result<VpcService, StoreError> {
        let mut write = Write::begin(self).await?;
        let row = query("SELECT * FROM services WHERE id = $1 AND account_id = $2")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(write.transaction())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Service, id))?;
        let before = read(&row)?;
        check_references(&mut write, &spec).await?;
        let after = VpcService { id, spec, created_on: before.created_on, modified_on: write.at };
        query("UPDATE services SET name = $1, kind = $2, tunnel_id = $3, spec = $4, modified_on = $5 WHERE id = $6")
            .bind(&after.spec.name)
            .bind(after.spec.protocol.kind())
            .bind(after.spec.host.tunnel_id().to_string())
            .bind(to_json("service", &after.spec)?)
            .bind(after.modified_on)
            .bind(id)
            .execute(write.transaction())
            .await
            .map_err(|error| name_taken(error, &after.spec.name))?;
        write.record(by, Change::new("update", Thing::Service, id).before(&before.spec).after(&after.spec)).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Deletes a VPC Service. Refused while deployed Workers bind it, unless forced; their calls then fail with
    /// `destination_not_found`.
    pub async fn delete_service(&self, id: Uuid, force: Force, by: &Actor) -> Result<VpcService, StoreError> {
        let mut write = Write::begin(self).await?;
        let row = query("SELECT * FROM services WHERE id = $1 AND account_id = $2")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(write.transaction())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Service, id))?;
        let service = read(&row)?;
        if force == Force::No {
            let users =
                crate::deployment::deployed_users(write.transaction(), |binding| binding.service_id() == Some(id))
                    .await?;
            if !users.is_empty() {
                return Err(StoreError::InUse { thing: Thing::Service, name: service.spec.name, users });
            }
        }
        query("DELETE FROM services WHERE id = $1").bind(id).execute(write.transaction()).await?;
        write.record(by, Change::new("delete", Thing::Service, id).before(&service.spec)).await?;
        write.commit().await?;
        Ok(service)
    }
}
