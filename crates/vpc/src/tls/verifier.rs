//! Which certificates are accepted: the chain and the dates, the name too, or nothing, with the facts of a refusal.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

use super::certificate::{CertificateFacts, unreadable};
use crate::service::{CertificateVerification, TlsSettings};

/// A certificate that was refused: which check failed, on what. Travels inside rustls's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which check failed, as a clause: `its issuer is not trusted`.
    pub check: String,
    /// Subject, issuer, dates and names, as a sentence's end.
    pub facts: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.check, self.facts)
    }
}

impl std::error::Error for Refusal {}

/// Checks what a service presents.
#[derive(Debug)]
pub(crate) struct Verifier {
    verification: CertificateVerification,
    chain: Arc<WebPkiServerVerifier>,
    /// Extra roots that a service may present as its own certificate.
    pinned: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(crate) fn new(settings: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in &settings.extra_roots {
            roots.add(root.clone()).map_err(|error| format!("an extra root of the service is not usable: {error}"))?;
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            verification: settings.verification,
            chain,
            pinned: settings.extra_roots.clone(),
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.pinned.iter().any(|root| root.as_ref() == certificate.as_ref()) {
            check_dates(certificate, now)?;
            return match self.verification {
                CertificateVerification::VerifyFull => {
                    rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)
                }
                CertificateVerification::VerifyCa | CertificateVerification::Disabled => Ok(()),
            };
        }
        match self.chain.verify_server_cert(certificate, intermediates, server_name, ocsp, now) {
            Ok(_) => Ok(()),
            // The name is checked last: whoever comes this far has a good chain.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.verification == CertificateVerification::VerifyCa => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The dates of a certificate that is trusted by itself and so has no chain in which webpki would check them.
fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let facts = CertificateFacts::of(certificate).ok_or(CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let now = OffsetDateTime::from_unix_timestamp(seconds).ok();
    if facts.not_after < now {
        return Err(CertificateError::Expired.into());
    }
    if facts.not_before > now {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verification == CertificateVerification::Disabled {
            return Ok(ServerCertVerified::assertion());
        }
        match self.check(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(Error::InvalidCertificate(error)) => {
                let refusal = Refusal {
                    check: failed_check(&error, server_name, self.verification),
                    facts: facts(end_entity, intermediates),
                };
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal)))))
            }
            Err(error) => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Which check failed, as a clause.
fn failed_check(error: &CertificateError, name: &ServerName<'_>, mode: CertificateVerification) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => {
            "its issuer is neither a public authority nor among the service's extra roots".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not for {}, the host in the URL", name.to_str())
        }
        CertificateError::BadSignature => "its signature does not fit its issuer".to_owned(),
        CertificateError::BadEncoding => "it is not a readable certificate".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not meant for servers".to_owned()
        }
        CertificateError::Other(OtherError(inner)) if inner.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of an authority, used as a server's: add that very certificate to the service's extra roots, or have it sign another".to_owned()
        }
        other => format!("it failed a check of {} ({other})", mode.as_str()),
    }
}

/// Subject, issuer, dates and names of what was presented.
fn facts(certificate: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    let Some(facts) = CertificateFacts::of(certificate) else { return unreadable(certificate) };
    let others = match intermediates.len() {
        0 => "no intermediate certificates".to_owned(),
        1 => "1 intermediate certificate".to_owned(),
        count => format!("{count} intermediate certificates"),
    };
    format!("{facts}, sent with {others}")
}
