//! The certificate authority of the tunnels: connectors trust it, and it issues the edge's server certificate.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

/// The names that connectors ask for: QUIC, HTTP/2, and the check before connecting.
pub const CONNECTOR_NAMES: [&str; 3] = ["quic.cftunnel.com", "h2.cftunnel.com", "probe.cftunnel.com"];

/// How long the authority's own certificate is good.
const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// How long a server certificate is good. A new one is issued at each start.
const SERVER_LIFE: Duration = Duration::days(397);
/// Clocks of connectors may be behind.
const BACKDATED: Duration = Duration::days(1);

/// Why an authority could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No certificate in the PEM text, or not one of an authority.
    #[error("the tunnel CA's certificate cannot be used: {0}")]
    Certificate(rcgen::Error),
    /// A key or certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Generate(rcgen::Error),
    /// No usable private key in the PEM text.
    #[error("the tunnel CA's private key cannot be used: {0}")]
    Key(rcgen::Error),
}

/// A certificate authority with its private key. `Debug` does not show the key.
pub struct CertificateAuthority {
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server certificate and its key, as rustls takes them.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate alone; connectors have the authority's.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

impl CertificateAuthority {
    /// Makes a new authority with a new ECDSA P-256 key.
    pub fn create() -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Generate)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Culvert tunnel CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = OffsetDateTime::now_utc() - BACKDATED;
        params.not_after = OffsetDateTime::now_utc() + AUTHORITY_LIFE;
        let certificate = params.self_signed(&key).map_err(AuthorityError::Generate)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem(), issuer: Issuer::new(params, key) })
    }

    /// Takes an authority that was made before, from the texts of [`Self::certificate_pem`] and [`Self::private_key_pem`].
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        let key_pair = KeyPair::from_pem(key).map_err(AuthorityError::Key)?;
        let issuer = Issuer::from_ca_cert_pem(certificate, key_pair).map_err(AuthorityError::Certificate)?;
        Ok(Self { certificate_pem: certificate.to_owned(), key_pem: key.to_owned(), issuer })
    }

    /// The certificate, for `cloudflared --cacert` and `culvert connect --ca`.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, PKCS #8. A secret.
    pub fn private_key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Issues a server certificate for the connectors' names and `names` (DNS names or IP addresses).
    pub fn issue(&self, names: &[String]) -> Result<ServerCertificate, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Generate)?;
        let names: Vec<String> =
            CONNECTOR_NAMES.iter().map(|name| (*name).to_owned()).chain(names.iter().cloned()).collect();
        let mut params = CertificateParams::new(names).map_err(AuthorityError::Generate)?;
        params.distinguished_name = name("Culvert edge");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = OffsetDateTime::now_utc() - BACKDATED;
        params.not_after = OffsetDateTime::now_utc() + SERVER_LIFE;
        let certificate = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Generate)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(ServerCertificate { chain: vec![certificate.der().clone()], key })
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn authority_survives_its_pem_form() {
        let created = CertificateAuthority::create().unwrap();
        let loaded = CertificateAuthority::from_pem(created.certificate_pem(), created.private_key_pem()).unwrap();
        assert_eq!(loaded.certificate_pem(), created.certificate_pem());
        loaded.issue(&["tunnel.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    }

    #[test]
    fn wrong_pem_is_refused() {
        let created = CertificateAuthority::create().unwrap();
        assert!(matches!(
            CertificateAuthority::from_pem("", created.private_key_pem()),
            Err(AuthorityError::Certificate(_))
        ));
        assert!(matches!(CertificateAuthority::from_pem(created.certificate_pem(), "x"), Err(AuthorityError::Key(_))));
        assert!(!format!("{created:?}").contains("PRIVATE"));
    }
}
