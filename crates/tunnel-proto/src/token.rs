//! The tunnel token: what an operator gives to a connector.
//!
//! Standard base64 (padded) of the JSON `{"a": account, "t": tunnel UUID, "s": base64 secret, "e": endpoint}`, as cloudflared has it.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest token accepted, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A decoded token. `Debug` does not show the secret.
#[derive(Clone, Eq, PartialEq)]
pub struct Token {
    /// The account's tag, 32 hexadecimal digits at Cloudflare, any text here.
    pub account: String,
    /// The tunnel's id.
    pub tunnel: Uuid,
    /// The tunnel's secret, decoded.
    pub secret: Vec<u8>,
    /// Region or endpoint, where the token names one.
    pub endpoint: Option<String>,
}

/// Why a token was refused. None of the texts repeats the token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// Not base64.
    #[error("the tunnel token is not base64: copy it again, in one piece")]
    NotBase64,
    /// Not the JSON that is expected inside.
    #[error("the tunnel token does not hold an account, a tunnel and a secret: {0}")]
    NotToken(String),
    /// The secret inside is not base64.
    #[error("the secret in the tunnel token is not base64")]
    SecretNotBase64,
    /// Longer than [`MAX_TOKEN`].
    #[error("the tunnel token has {0} bytes, which is over the limit of {MAX_TOKEN}")]
    TooLong(usize),
}

#[derive(Deserialize, Serialize)]
struct Wire {
    #[serde(rename = "a")]
    account: String,
    #[serde(rename = "t")]
    tunnel: Uuid,
    #[serde(rename = "s")]
    secret: String,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

impl Token {
    /// Reads a token; white space around it is ignored.
    pub fn decode(token: &str) -> Result<Self, TokenError> {
        let token = token.trim();
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong(token.len()));
        }
        let json = BASE64.decode(token).map_err(|_| TokenError::NotBase64)?;
        let wire: Wire = serde_json::from_slice(&json).map_err(|error| TokenError::NotToken(describe(&error)))?;
        let secret = BASE64.decode(&wire.secret).map_err(|_| TokenError::SecretNotBase64)?;
        Ok(Self {
            account: wire.account,
            tunnel: wire.tunnel,
            secret,
            endpoint: wire.endpoint.filter(|endpoint| !endpoint.is_empty()),
        })
    }

    /// Writes the token as cloudflared reads it.
    pub fn encode(&self) -> String {
        let wire = Wire {
            account: self.account.clone(),
            tunnel: self.tunnel,
            secret: BASE64.encode(&self.secret),
            endpoint: self.endpoint.clone(),
        };
        // A struct of strings always has a JSON form.
        BASE64.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }
}

/// serde_json's messages can quote the input, and the input holds a secret.
fn describe(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => "a field is missing or has the wrong form".to_owned(),
        serde_json::error::Category::Eof => "it is cut short".to_owned(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON".to_owned(),
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("account", &self.account)
            .field("tunnel", &self.tunnel)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn token() -> Token {
        Token {
            account: "0123456789abcdef0123456789abcdef".to_owned(),
            tunnel: Uuid::from_u128(0xaaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee),
            secret: (0..32).collect(),
            endpoint: None,
        }
    }

    #[test]
    fn token_made_by_hand_decodes() {
        let json = r#"{"a":"0123456789abcdef0123456789abcdef","t":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","s":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#;
        assert_eq!(Token::decode(&format!("  {}\n", BASE64.encode(json))).unwrap(), token());
    }

    #[test]
    fn round_trip() {
        let with_endpoint = Token { endpoint: Some("fed".to_owned()), ..token() };
        for token in [token(), with_endpoint] {
            assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        }
    }

    #[test]
    fn refusals_say_why_and_keep_the_secret() {
        assert_eq!(Token::decode("%%%"), Err(TokenError::NotBase64));
        assert_eq!(Token::decode(&"A".repeat(MAX_TOKEN + 1)), Err(TokenError::TooLong(MAX_TOKEN + 1)));
        let short = BASE64.encode(r#"{"a":"x","t":"not-a-uuid-SECRET","s":""}"#);
        let error = Token::decode(&short).unwrap_err();
        assert!(matches!(error, TokenError::NotToken(_)));
        assert!(!error.to_string().contains("SECRET"));
        assert!(!format!("{:?}", token()).contains("30, 31"));
    }
}
