//! `culvert tunnel …`

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api_client::{ApiClient, Payload};
use crate::cli::Tunnel;
use crate::failure::Failure;
use crate::output::{print_json, print_table, text};

const TUNNELS: &str = "/cfd_tunnel";

/// Carries out one of the commands.
pub async fn run(command: Tunnel) -> Result<(), Failure> {
    match command {
        Tunnel::Create(arguments) => {
            let api = ApiClient::new(&arguments.api)?;
            let body = json!({"name": arguments.name, "config_src": "cloudflare"});
            let tunnel: Value = api.post(TUNNELS, Payload::json(&body)).await?;
            if arguments.json {
                print_json(&tunnel);
            } else {
                let token: String = api.get(&format!("{TUNNELS}/{}/token", text(&tunnel, "/id"))).await?;
                println!("Created tunnel {} ({})", text(&tunnel, "/name"), text(&tunnel, "/id"));
                println!(
                    "Connect a private network with the edge's tunnel address and the tunnel-ca.pem of its data directory:"
                );
                println!("  culvert connect --edge HOST:7844 --ca tunnel-ca.pem --token {token}");
            }
        }
        Tunnel::List(arguments) => {
            let tunnels = list(&ApiClient::new(&arguments.api)?).await?;
            if arguments.json {
                print_json(&Value::Array(tunnels));
            } else if tunnels.is_empty() {
                println!("No tunnels found. `culvert tunnel create NAME` makes one.");
            } else {
                let connections = |tunnel: &Value| {
                    tunnel.get("connections").and_then(Value::as_array).map_or(0, Vec::len).to_string()
                };
                let rows: Vec<Vec<String>> = tunnels
                    .iter()
                    .map(|tunnel| {
                        let cells = ["/id", "/name", "/status"].map(|pointer| text(tunnel, pointer).to_owned());
                        let [id, name, status] = cells;
                        vec![id, name, status, connections(tunnel), text(tunnel, "/created_at").to_owned()]
                    })
                    .collect();
                print_table(&["id", "name", "status", "connections", "created"], &rows);
            }
        }
        Tunnel::Token(arguments) => {
            let api = ApiClient::new(&arguments.api)?;
            let id = find(&api, &arguments.tunnel).await?;
            let token: String = api.get(&format!("{TUNNELS}/{id}/token")).await?;
            if arguments.json {
                print_json(&json!({"token": token}));
            } else {
                println!("{token}");
            }
        }
        Tunnel::Delete(arguments) => {
            let api = ApiClient::new(&arguments.api)?;
            let id = find(&api, &arguments.tunnel).await?;
            api.delete(&format!("{TUNNELS}/{id}")).await?;
            if arguments.json {
                print_json(&json!({"deleted": id}));
            } else {
                println!("Deleted tunnel {id} and cut its connections");
            }
        }
    }
    Ok(())
}

/// Every tunnel that is not deleted, over all pages.
async fn list(api: &ApiClient) -> Result<Vec<Value>, Failure> {
    let mut tunnels = Vec::new();
    for page in 1u32.. {
        let more: Vec<Value> = api.get(&format!("{TUNNELS}?is_deleted=false&per_page=100&page={page}")).await?;
        if more.is_empty() {
            break;
        }
        tunnels.extend(more);
    }
    Ok(tunnels)
}

/// The id of the tunnel with this id or name.
async fn find(api: &ApiClient, given: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = given.parse() {
        return Ok(id);
    }
    list(api)
        .await?
        .iter()
        .find(|tunnel| text(tunnel, "/name") == given)
        .and_then(|tunnel| text(tunnel, "/id").parse().ok())
        .ok_or_else(|| {
            Failure::failed(format!("there is no tunnel named `{given}`; `culvert tunnel list` shows all of them"))
        })
}
