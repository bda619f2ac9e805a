//! What a failed handshake was: a certificate, a protocol, or not TLS at all. Pure.

use std::io;

use connection_error::{ConnectionError, ErrorCode, Phase};
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};

use super::verifier::Refusal;
use crate::traffic::{End, Passed, shown};

/// Reads the failure of a handshake for `server_name`.
pub(crate) fn during_handshake(error: &io::Error, passed: &Passed, server_name: &str) -> Box<ConnectionError> {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return from_rustls(tls, passed, server_name);
    }
    let how = match (&passed.end, error.kind()) {
        (Some(End::Error { text, .. }), _) => format!("broke off the connection ({text})"),
        (_, io::ErrorKind::UnexpectedEof) => "closed the connection".to_owned(),
        _ => format!("could not be spoken to ({error})"),
    };
    let received = match passed.received {
        0 => "without sending anything".to_owned(),
        bytes => format!("after {bytes} bytes, which began {}", shown(&passed.first)),
    };
    let error = protocol(format!(
        "The service {how} during the TLS handshake for {server_name}, {received}: the port may not speak TLS."
    ));
    Box::new(ConnectionError { retryable: true, ..*error })
}

/// An alert that comes after our side of the handshake is done: TLS 1.3 servers refuse client certificates this late.
pub(crate) fn after_handshake(error: &Error) -> Box<ConnectionError> {
    from_rustls(error, &Passed::default(), "")
}

fn protocol(detail: String) -> Box<ConnectionError> {
    Box::new(ConnectionError::new(ErrorCode::TlsProtocolError, Phase::Tls, detail))
}

fn from_rustls(error: &Error, passed: &Passed, server_name: &str) -> Box<ConnectionError> {
    match error {
        Error::InvalidCertificate(error) => {
            let why = match error {
                CertificateError::Other(OtherError(inner)) if inner.is::<Refusal>() => inner.to_string(),
                other => other.to_string(),
            };
            Box::new(ConnectionError::new(
                ErrorCode::TlsCertificateError,
                Phase::Tls,
                format!("The service's certificate is not accepted: {why}."),
            ))
        }
        Error::NoCertificatesPresented => Box::new(ConnectionError::new(
            ErrorCode::TlsCertificateError,
            Phase::Tls,
            "The service presented no certificate.",
        )),
        Error::AlertReceived(alert) => {
            let meaning = match alert {
                AlertDescription::CertificateRequired => {
                    ": it asks for a client certificate, and the service has none registered"
                }
                AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::AccessDenied => ": it does not accept our client certificate, or wants one",
                AlertDescription::ProtocolVersion => ": it speaks neither TLS 1.2 nor TLS 1.3",
                AlertDescription::HandshakeFailure => {
                    ": there is no cipher suite, key exchange or certificate that both sides accept"
                }
                AlertDescription::UnrecognisedName => ": it does not know the host in the URL",
                AlertDescription::NoApplicationProtocol => ": it speaks neither HTTP/2 nor HTTP/1.1",
                _ => "",
            };
            protocol(format!("The service ended the TLS handshake with the alert {}{meaning}.", alert_name(*alert)))
        }
        Error::PeerIncompatible(why) => {
            let meaning = match why {
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
                    "it speaks neither TLS 1.2 nor TLS 1.3".to_owned()
                }
                PeerIncompatible::NoCipherSuitesInCommon => "there is no common cipher suite".to_owned(),
                PeerIncompatible::NoKxGroupsInCommon => "there is no common key exchange".to_owned(),
                PeerIncompatible::ExtendedMasterSecretExtensionRequired => {
                    "it lacks the extended master secret (RFC 7627)".to_owned()
                }
                other => format!("{other:?}"),
            };
            protocol(format!("TLS with the service is not possible: {meaning}."))
        }
        Error::InvalidMessage(_) if !passed.first.is_empty() && !looks_like_tls(&passed.first) => {
            let what = if passed.first.starts_with(b"HTTP/") {
                "It answers in plain HTTP: use http: in the URL, or enable TLS on it"
            } else if passed.first.starts_with(b"SSH-") {
                "It is an SSH server"
            } else {
                "It does not speak TLS"
            };
            protocol(format!(
                "The service answered the TLS handshake for {server_name} with {}. {what}.",
                shown(&passed.first)
            ))
        }
        Error::InvalidMessage(why) => protocol(format!("The service sent a TLS message that is not valid ({why:?}).")),
        Error::PeerMisbehaved(why) => protocol(format!("The service broke the TLS protocol ({why:?}).")),
        Error::NoApplicationProtocol => {
            protocol("The service chose an application protocol that was not offered.".to_owned())
        }
        Error::DecryptError => protocol("The service sent TLS records that cannot be decrypted.".to_owned()),
        other => protocol(format!("The TLS handshake failed: {other}.")),
    }
}

/// Whether bytes begin like a TLS record: a content type, then a version.
fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=24] | [20..=24, 3, ..])
}

/// The alert's name in the RFC's spelling: `handshake_failure`.
fn alert_name(alert: AlertDescription) -> String {
    let camel = format!("{alert:?}");
    let mut name = String::with_capacity(camel.len() + 4);
    let mut previous_lower = false;
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && previous_lower {
            name.push('_');
        }
        previous_lower = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_spelled_as_in_the_rfc() {
        assert_eq!(alert_name(AlertDescription::HandshakeFailure), "handshake_failure");
        assert_eq!(alert_name(AlertDescription::ProtocolVersion), "protocol_version");
        assert_eq!(alert_name(AlertDescription::UnknownCA), "unknown_ca");
    }

    #[test]
    fn other_protocols_are_named() {
        let answered = |first: &[u8]| {
            let passed = Passed { first: first.to_vec(), received: first.len() as u64, ..Passed::default() };
            from_rustls(&Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), &passed, "api").detail
        };
        assert!(answered(b"HTTP/1.1 400 Bad Request\r\n").contains("plain HTTP"));
        assert!(answered(b"SSH-2.0-OpenSSH").contains("SSH server"));
        assert!(answered(b"220 mail ESMTP").contains("does not speak TLS"));
        assert!(answered(b"\x16\x03\x03\x00").contains("not valid"));
    }
}
