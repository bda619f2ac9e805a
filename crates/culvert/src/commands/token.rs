//! `culvert token …`

use serde_json::{Value, json};

use crate::api_client::{ApiClient, Payload};
use crate::cli::{Call, Token};
use crate::failure::Failure;
use crate::output::{print_json, print_table, say, text};

const TOKENS: &str = "/tokens";

/// Carries out one of the commands.
pub async fn run(command: Token) -> Result<(), Failure> {
    match command {
        Token::Create(Call { what: arguments, api }) => {
            let mut body = json!({"name": arguments.name, "permissions": arguments.permissions});
            if let Some(expires) = &arguments.expires {
                body["expires_on"] = json!(expires);
            }
            let token: Value = ApiClient::new(&api)?.post(TOKENS, Payload::json(&body)).await?;
            if api.json {
                print_json(&token);
            } else {
                say!("Created token {} ({}). It is shown this once:", text(&token, "/name"), text(&token, "/id"));
                say!("{}", text(&token, "/value"));
            }
        }
        Token::List(api) => {
            let tokens = list(&ApiClient::new(&api)?).await?;
            if api.json {
                print_json(&Value::Array(tokens));
            } else {
                let headings = ["id", "name", "status", "permissions", "last used", "expires"];
                print_table(&headings, &tokens.iter().map(row).collect::<Vec<_>>());
            }
        }
        Token::Revoke(Call { what: arguments, api }) => {
            let revoked = ApiClient::new(&api)?.delete(&format!("{TOKENS}/{}", arguments.id)).await?;
            if api.json {
                print_json(&revoked);
            } else {
                say!("Revoked token {}", arguments.id);
            }
        }
    }
    Ok(())
}

/// Every token, over all pages.
async fn list(api: &ApiClient) -> Result<Vec<Value>, Failure> {
    api.get_all(TOKENS, "per_page=100").await
}

fn row(token: &Value) -> Vec<String> {
    let permissions = token.get("permissions").and_then(Value::as_array).into_iter().flatten();
    let permissions: Vec<&str> = permissions.filter_map(Value::as_str).collect();
    let [id, name, status, used, expires] =
        ["/id", "/name", "/status", "/last_used_on", "/expires_on"].map(|pointer| text(token, pointer).to_owned());
    vec![id, name, status, permissions.join(","), used, expires]
}
