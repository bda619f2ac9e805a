//! Certificates over the API: `/accounts/{account}/mtls_certificates`, where `wrangler cert` puts authorities to trust
//! and client certificates to show.

use axum::extract::State;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Map, Value, json};
use store::{Certificate, CertificateKind, Permission, Secret, StoreError, Thing};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::ControlState;
use crate::api::{Api, Body, delete, get, post};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};

const READ: Access = Access::Needs(Permission::ConnectivityDirectoryRead);
const ADMIN: Access = Access::Needs(Permission::ConnectivityDirectoryAdmin);
const MAX_CERTIFICATES: usize = 100;
const MAX_NAME: usize = 255;

const PER_PAGE: Parameter = per_page(100);
const OF_CA: Parameter = Parameter::new("ca", Form::Flag, "Only authorities, or only client certificates.");
const OF_NAME: Parameter = Parameter::new("name", Form::Text, "Only those of this name.");

fn read_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("certificates is not PEM: {error}."))?;
    match found.len() {
        0 => Err("certificates holds no certificate (-----BEGIN CERTIFICATE-----).".to_owned()),
        1..=MAX_CERTIFICATES => Ok(found),
        more => Err(format!("certificates holds {more} certificates; {MAX_CERTIFICATES} are allowed.")),
    }
}

fn check(ders: &[CertificateDer<'_>], kind: CertificateKind) -> Result<(), String> {
    for (at, der) in ders.iter().enumerate() {
        let number = at + 1;
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| format!("Certificate number {number} cannot be read: {error}."))?;
        if kind == CertificateKind::Authority && !certificate.is_ca() {
            return Err(format!(
                "Certificate number {number} ({}) is not the certificate of an authority: its basic constraints do not say CA.",
                certificate.subject()
            ));
        }
    }
    Ok(())
}

fn check_key(ders: Vec<CertificateDer<'static>>, key: &str) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| format!("private_key is not a private key in PEM: {error}."))?;
    let key =
        any_supported_type(&key).map_err(|error| format!("private_key is of a kind that cannot be used: {error}."))?;
    CertifiedKey::new(ders, key)
        .keys_match()
        .map_err(|_| "private_key does not belong to the first certificate.".to_owned())
}

fn view(certificate: &Certificate) -> Value {
    let mut view = Map::from_iter([
        ("id".to_owned(), json!(certificate.id)),
        // A name that was not given is none: Terraform would replace the certificate to have the empty one away.
        ("name".to_owned(), json!(Some(&certificate.name).filter(|name| !name.is_empty()))),
        ("ca".to_owned(), json!(certificate.kind == CertificateKind::Authority)),
        ("certificates".to_owned(), json!(certificate.pem)),
        ("uploaded_on".to_owned(), json!(rfc3339(certificate.created_on))),
    ]);
    // It was readable when it was accepted.
    if let Some(der) = read_pem(&certificate.pem).ok().and_then(|ders| ders.into_iter().next())
        && let Ok((_, parsed)) = X509Certificate::from_der(&der)
    {
        view.insert("issuer".to_owned(), json!(parsed.issuer().to_string()));
        view.insert("subject".to_owned(), json!(parsed.subject().to_string()));
        view.insert("serial_number".to_owned(), json!(parsed.raw_serial_as_string().replace(':', "")));
        view.insert("expires_on".to_owned(), json!(rfc3339(parsed.validity().not_after.to_datetime())));
    }
    Value::Object(view)
}

async fn list(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let ca = query.flag(&OF_CA)?;
    let name = query.text(&OF_NAME);
    let views: Vec<Value> = state
        .store()
        .certificates()
        .await?
        .iter()
        .filter(|certificate| {
            ca.is_none_or(|ca| ca == (certificate.kind == CertificateKind::Authority))
                && name.is_none_or(|name| name == certificate.name)
        })
        .map(view)
        .collect();
    Reply::page(views, query.page(&PER_PAGE)?)
}

async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let name = match body.get("name") {
        None | Some(Value::Null) => "",
        Some(value) => value.as_str().filter(|name| name.chars().count() <= MAX_NAME).ok_or_else(|| {
            ApiError::field("/name", format!("name must be a string of at most {MAX_NAME} characters."))
        })?,
    };
    let kind = match body.get("ca") {
        Some(Value::Bool(true)) => CertificateKind::Authority,
        None | Some(Value::Null | Value::Bool(false)) => CertificateKind::Client,
        Some(other) => {
            return Err(ApiError::field("/ca", format!("ca must be true or false, not {other}.")));
        }
    };
    let wrong = |message: String| ApiError::field("/certificates", message);
    let pem = body
        .get("certificates")
        .and_then(Value::as_str)
        .ok_or_else(|| wrong("certificates must be a string in PEM.".to_owned()))?;
    let ders = read_pem(pem).map_err(wrong)?;
    check(&ders, kind).map_err(wrong)?;
    let wrong = |message: String| ApiError::field("/private_key", message);
    let key = match body.get("private_key") {
        None | Some(Value::Null) => None,
        Some(_) if kind == CertificateKind::Authority => {
            return Err(wrong("An authority is kept without its private key; remove it.".to_owned()));
        }
        Some(Value::String(key)) => {
            check_key(ders, key).map_err(wrong)?;
            Some(Secret::new(key.as_bytes()))
        }
        Some(_) => return Err(wrong("private_key must be a string in PEM.".to_owned())),
    };
    let certificate = state.store().create_certificate(name, kind, pem, key, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(view(&certificate))
}

async fn read(
    State(state): State<ControlState>,
    Params((_, certificate)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&certificate, "certificate")?;
    let found = state
        .store()
        .certificates()
        .await?
        .into_iter()
        .find(|certificate| certificate.id == id)
        .ok_or(StoreError::NotFound { thing: Thing::Certificate, name: certificate })?;
    Reply::new(view(&found))
}

async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, certificate)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&certificate, "certificate")?;
    let certificate = state.store().delete_certificate(id, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(view(&certificate))
}

/// The operations on certificates.
pub(crate) fn add(api: Api) -> Api {
    const LIST: &str = "/accounts/{account}/mtls_certificates";
    const ONE: &str = "/accounts/{account}/mtls_certificates/{certificate}";
    api.add(get(LIST, READ, "List certificates").query(&[PAGE, PER_PAGE, OF_CA, OF_NAME]).list("Certificate"), list)
        .add(
            post(LIST, ADMIN, Body::Json("NewCertificate"), "Upload a certificate authority or a client certificate")
                .one("Certificate"),
            create,
        )
        .add(get(ONE, READ, "Read a certificate").one("Certificate"), read)
        .add(delete(ONE, ADMIN, "Delete a certificate").one("Certificate"), remove)
}
