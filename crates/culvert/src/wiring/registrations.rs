//! What the store keeps, as `workers` and `vpc` take it.

use std::sync::Arc;
use std::time::Duration;

use invocation::Entrypoint;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use store::{Module, ServedVersion, Snapshot, VpcService};
use time::format_description::well_known::Rfc3339;
use workers::{Binding, BindingKind, Limits, ModuleKind, WorkerModule, WorkerVersion};

/// Something that is kept and cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Unservable {
    /// A certificate that cannot be read, or is gone.
    #[error("certificate {id} of service `{service}` cannot be used: {reason}")]
    Certificate {
        /// The certificate.
        id: uuid::Uuid,
        /// The service's name.
        service: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The parts of a version that the runtime needs.
pub struct VersionParts<'a> {
    /// Its modules.
    pub modules: &'a [Module],
    /// The name of the main one.
    pub main_module: &'a str,
    /// The properties of `env`.
    pub bindings: &'a [store::Binding],
    /// The text of each secret, by binding.
    pub secrets: &'a std::collections::BTreeMap<String, store::Secret>,
    /// The limits it asks for.
    pub limits: store::Limits,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<&'a str>,
    /// Flags.
    pub compatibility_flags: &'a [String],
    /// The tag it was given, or nothing.
    pub tag: &'a str,
    /// When it was made, as in RFC 3339.
    pub created: String,
}

impl<'a> VersionParts<'a> {
    /// Those of a served version.
    pub fn of(served: &'a ServedVersion, modules: &'a [Module]) -> Self {
        let detail = &served.version.detail;
        Self {
            modules,
            main_module: &detail.main_module,
            bindings: &detail.bindings,
            secrets: &served.secrets,
            limits: detail.limits,
            compatibility_date: detail.compatibility_date.as_deref(),
            compatibility_flags: &detail.compatibility_flags,
            tag: detail.annotations.get("workers/tag").map_or("", String::as_str),
            created: served.version.created_on.format(&Rfc3339).unwrap_or_default(),
        }
    }
}

/// A version, as `workers` runs it. `cpu_ceiling` is the operator's.
pub fn worker_version(id: uuid::Uuid, name: &str, parts: &VersionParts<'_>, cpu_ceiling: Duration) -> WorkerVersion {
    let default = Limits::default();
    let cpu = parts.limits.cpu_ms.map_or(default.cpu, |milliseconds| Duration::from_millis(milliseconds.into()));
    let limits =
        Limits { cpu: cpu.min(cpu_ceiling), subrequests: parts.limits.subrequests.unwrap_or(default.subrequests) };
    let bindings = parts.bindings.iter().map(|kept| binding(kept, parts)).collect();
    WorkerVersion {
        id,
        name: Arc::from(name),
        main_module: path_in_bundle(parts.main_module).to_owned(),
        modules: parts.modules.iter().map(module).collect(),
        bindings,
        limits,
        compatibility_date: parts.compatibility_date.unwrap_or_default().to_owned(),
        compatibility_flags: parts.compatibility_flags.to_vec(),
    }
}

fn module(module: &Module) -> WorkerModule {
    let kind = match module.kind {
        store::ModuleKind::CommonJs => ModuleKind::CommonJs,
        store::ModuleKind::Data => ModuleKind::Data,
        store::ModuleKind::EsModule => ModuleKind::EsModule,
        store::ModuleKind::Json => ModuleKind::Json,
        store::ModuleKind::Text => ModuleKind::Text,
        store::ModuleKind::Wasm => ModuleKind::Wasm,
    };
    WorkerModule { name: path_in_bundle(&module.name).to_owned(), kind, content: module.body.clone() }
}

/// Modules are named by their paths in the bundle. wrangler names some by a relative specifier, `./hash-note.txt`.
fn path_in_bundle(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

fn binding(kept: &store::Binding, parts: &VersionParts<'_>) -> Binding {
    let kind = match &kept.kind {
        store::BindingKind::Json { json } => BindingKind::Json(json.clone()),
        store::BindingKind::PlainText { text } => BindingKind::PlainText(text.clone()),
        store::BindingKind::SecretText => {
            let text = parts.secrets.get(&kept.name).and_then(|secret| secret.expose_str());
            BindingKind::SecretText(text.unwrap_or_default().to_owned())
        }
        store::BindingKind::VpcService { service_id } => BindingKind::VpcService { service_id: *service_id },
        store::BindingKind::VpcNetwork { network } => BindingKind::VpcNetwork {
            network: match network {
                store::NetworkRef::Tunnel { tunnel_id } => invocation::PrivateNetwork::Tunnel(*tunnel_id),
                store::NetworkRef::Network { .. } => invocation::PrivateNetwork::Account,
            },
        },
        store::BindingKind::Service { service, entrypoint, props } => BindingKind::Service {
            worker: Arc::from(service.as_str()),
            entrypoint: Entrypoint {
                name: entrypoint.as_deref().filter(|name| *name != "default").map(Arc::from),
                props: props.as_ref().map(|props| Arc::from(props.to_string())),
            },
        },
        store::BindingKind::VersionMetadata => {
            BindingKind::VersionMetadata { tag: parts.tag.to_owned(), timestamp: parts.created.clone() }
        }
    };
    Binding { name: kept.name.clone(), kind }
}

/// A service, as `vpc` reaches it.
pub fn vpc_service(kept: &VpcService, snapshot: &Snapshot) -> Result<vpc::Service, Unservable> {
    let spec = &kept.spec;
    let kind = match &spec.protocol {
        store::Protocol::Http { http_port, https_port } => {
            vpc::ServiceKind::Http { http_port: *http_port, https_port: *https_port }
        }
        store::Protocol::Tcp { tcp_port, app_protocol } => vpc::ServiceKind::Tcp {
            port: *tcp_port,
            app_protocol: app_protocol.map(|protocol| match protocol {
                store::AppProtocol::Mysql => vpc::AppProtocol::MySql,
                store::AppProtocol::Postgresql => vpc::AppProtocol::PostgreSql,
            }),
        },
    };
    let host = match &spec.host {
        store::ServiceHost::Address { ipv4, ipv6, .. } => vpc::Host::Addresses { ipv4: *ipv4, ipv6: *ipv6 },
        store::ServiceHost::Hostname { hostname, resolver_ips, .. } => {
            vpc::Host::Hostname { name: hostname.clone(), resolvers: resolver_ips.clone() }
        }
    };
    let mut tls = spec.tls.as_ref().map(|tls| tls_settings(tls, &spec.name, snapshot)).transpose()?.unwrap_or_default();
    let kept_policy = spec.policy.clone().unwrap_or_default();
    for id in &kept_policy.trusted_roots {
        tls.extra_roots.extend(certificate(*id, &spec.name, snapshot)?.1);
    }
    Ok(vpc::Service {
        id: kept.id,
        name: spec.name.clone(),
        tunnel: spec.host.tunnel_id(),
        kind,
        host,
        tls,
        policy: policy(kept_policy),
    })
}

/// What is kept, with the defaults of what is not.
fn policy(kept: store::ServicePolicy) -> vpc::Policy {
    let default = vpc::Policy::default();
    let time =
        |kept: Option<u32>, default| kept.map_or(default, |milliseconds| Duration::from_millis(milliseconds.into()));
    let breaker = |kept: store::Breaker| {
        let default = vpc::BreakerPolicy::default();
        kept.enabled.then(|| vpc::BreakerPolicy {
            failures: kept.failures.unwrap_or(default.failures),
            trial_every: time(kept.trial_every_ms, default.trial_every),
        })
    };
    vpc::Policy {
        connect_timeout: time(kept.connect_timeout_ms, default.connect_timeout),
        dns_timeout: time(kept.dns_timeout_ms, default.dns_timeout),
        dns_tries: default.dns_tries,
        tls_timeout: time(kept.tls_timeout_ms, default.tls_timeout),
        read_timeout: time(kept.read_timeout_ms, default.read_timeout),
        write_timeout: time(kept.write_timeout_ms, default.write_timeout),
        max_connections: kept.max_connections.map_or(default.max_connections, |most| most as usize),
        max_new_connections_per_second: kept.max_new_connections_per_second,
        breaker: kept.breaker.map_or(default.breaker, breaker),
        idle_timeout: time(kept.idle_timeout_ms, default.idle_timeout),
        // Checked when it was kept.
        allowed_methods: kept.allowed_methods.iter().filter_map(|method| method.parse().ok()).collect(),
        allowed_path_prefixes: kept.allowed_path_prefixes,
    }
}

/// A kept certificate with its chain.
fn certificate<'a>(
    id: uuid::Uuid,
    service: &str,
    snapshot: &'a Snapshot,
) -> Result<(&'a store::KeyedCertificate, Vec<CertificateDer<'static>>), Unservable> {
    let unusable =
        |reason: &str| Unservable::Certificate { id, service: service.to_owned(), reason: reason.to_owned() };
    let keyed = snapshot.certificates.get(&id).ok_or_else(|| unusable("it does not exist any more"))?;
    let chain = CertificateDer::pem_slice_iter(keyed.certificate.pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(&error.to_string()))?;
    Ok((keyed, chain))
}

fn tls_settings(kept: &store::TlsSettings, service: &str, snapshot: &Snapshot) -> Result<vpc::TlsSettings, Unservable> {
    let extra_roots =
        kept.certificate_authority.map(|id| certificate(id, service, snapshot).map(|(_, chain)| chain)).transpose()?;
    let client_certificate = kept
        .client_certificate
        .map(|id| {
            let (keyed, chain) = certificate(id, service, snapshot)?;
            let unusable = |reason: String| Unservable::Certificate { id, service: service.to_owned(), reason };
            let key = keyed.key.as_ref().ok_or_else(|| unusable("it has no private key".to_owned()))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| unusable(error.to_string()))?;
            Ok(vpc::ClientCertificate { chain, key: Arc::new(key) })
        })
        .transpose()?;
    let verification = match kept.cert_verification_mode {
        store::CertVerificationMode::Disabled => vpc::CertificateVerification::Disabled,
        store::CertVerificationMode::VerifyCa => vpc::CertificateVerification::VerifyCa,
        store::CertVerificationMode::VerifyFull => vpc::CertificateVerification::VerifyFull,
    };
    Ok(vpc::TlsSettings { verification, extra_roots: extra_roots.unwrap_or_default(), client_certificate })
}
