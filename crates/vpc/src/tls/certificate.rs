//! What a certificate says of itself, for the sentences of a refusal and for a diagnosis.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How many names a sentence shows, and how many a diagnosis.
const NAMES_IN_SENTENCE: usize = 5;
const NAMES_IN_DIAGNOSIS: usize = 20;

/// Subject, issuer, dates and names of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    subject: String,
    issuer: String,
    names: Vec<String>,
    /// Absent for a date that no calendar has.
    pub not_before: Option<OffsetDateTime>,
    /// Absent for a date that no calendar has.
    pub not_after: Option<OffsetDateTime>,
}

impl CertificateFacts {
    /// Reads them; nothing when it is not an X.509 certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|extension| &extension.value.general_names);
        let date = |timestamp: i64| OffsetDateTime::from_unix_timestamp(timestamp).ok();
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.take(NAMES_IN_DIAGNOSIS).map(shown_name).collect(),
            not_before: date(parsed.validity().not_before.timestamp()),
            not_after: date(parsed.validity().not_after.timestamp()),
        })
    }

    /// `{subject, issuer, names, not_before, not_after}`.
    pub(crate) fn json(&self) -> Value {
        let date = |moment: Option<OffsetDateTime>| moment?.format(&Rfc3339).ok();
        json!({
            "subject": self.subject,
            "issuer": self.issuer,
            "names": self.names,
            "not_before": date(self.not_before),
            "not_after": date(self.not_after),
        })
    }
}

impl fmt::Display for CertificateFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |moment: Option<OffsetDateTime>| {
            moment.map_or_else(|| "an impossible date".to_owned(), |moment| moment.date().to_string())
        };
        let (from, to) = (date(self.not_before), date(self.not_after));
        write!(f, "subject {}, issuer {}, valid from {from} to {to}, ", self.subject, self.issuer)?;
        match self.names.get(..NAMES_IN_SENTENCE).unwrap_or(&self.names) {
            [] => f.write_str("no names"),
            names => write!(f, "names {}", names.join(", ")),
        }
    }
}

/// What is said of bytes that cannot be read.
pub(crate) fn unreadable(certificate: &CertificateDer<'_>) -> String {
    format!("{} bytes that are not an X.509 certificate", certificate.len())
}

/// A name of a certificate as one writes it.
fn shown_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => IpAddr::from(v4).to_string(),
            (_, Ok(v6)) => IpAddr::from(v6).to_string(),
            _ => "an impossible address".to_owned(),
        },
        other => other.to_string(),
    }
}
