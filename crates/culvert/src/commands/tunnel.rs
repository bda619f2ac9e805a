//! `culvert tunnel …`

use serde_json::{Value, json};
use uuid::Uuid;

use super::network_route;
use crate::api_client::{ApiClient, Payload};
use crate::cli::{Call, Tunnel, TunnelPublish, TunnelUnpublish};
use crate::failure::Failure;
use crate::output::{print_json, print_table, say, text};

const TUNNELS: &str = "/cfd_tunnel";

/// Carries out one of the commands.
pub async fn run(command: Tunnel) -> Result<(), Failure> {
    match command {
        Tunnel::Create(Call { what: arguments, api }) => {
            let as_json = api.json;
            let api = ApiClient::new(&api)?;
            let body = json!({"name": arguments.name, "config_src": "cloudflare"});
            let tunnel: Value = api.post(TUNNELS, Payload::json(&body)).await?;
            if as_json {
                print_json(&tunnel);
            } else {
                let token: String = api.get(&format!("{TUNNELS}/{}/token", text(&tunnel, "/id"))).await?;
                say!("Created tunnel {} ({})", text(&tunnel, "/name"), text(&tunnel, "/id"));
                say!(
                    "Connect a private network with the edge's tunnel address and the tunnel-ca.pem of its data directory:"
                );
                say!("  culvert connect --edge HOST:7844 --ca tunnel-ca.pem --token {token}");
            }
        }
        Tunnel::List(api) => {
            let tunnels = list(&ApiClient::new(&api)?).await?;
            if api.json {
                print_json(&Value::Array(tunnels));
            } else if tunnels.is_empty() {
                say!("No tunnels found. `culvert tunnel create NAME` makes one.");
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
        Tunnel::Info(Call { what: arguments, api }) => {
            let as_json = api.json;
            let api = ApiClient::new(&api)?;
            let id = find(&api, &arguments.tunnel).await?;
            let connectors: Vec<Value> = api.get(&format!("{TUNNELS}/{id}/connectors")).await?;
            if as_json {
                print_json(&Value::Array(connectors));
            } else {
                show(&connectors);
            }
        }
        Tunnel::Token(Call { what: arguments, api }) => {
            let as_json = api.json;
            let api = ApiClient::new(&api)?;
            let id = find(&api, &arguments.tunnel).await?;
            let token: String = api.get(&format!("{TUNNELS}/{id}/token")).await?;
            if as_json {
                print_json(&json!({"token": token}));
            } else {
                say!("{token}");
            }
        }
        Tunnel::Publish(call) => publish(call).await?,
        Tunnel::Unpublish(call) => unpublish(call).await?,
        Tunnel::Route(command) => network_route::run(command).await?,
        Tunnel::Delete(Call { what: arguments, api }) => {
            let as_json = api.json;
            let api = ApiClient::new(&api)?;
            let id = find(&api, &arguments.tunnel).await?;
            api.delete(&format!("{TUNNELS}/{id}")).await?;
            if as_json {
                print_json(&json!({"deleted": id}));
            } else {
                say!("Deleted tunnel {id} and cut its connections");
            }
        }
    }
    Ok(())
}

/// Each connector with its connections, and what should be known of it.
fn show(connectors: &[Value]) {
    if connectors.is_empty() {
        say!("No connector is connected. `culvert connect` or cloudflared with the tunnel's token is one.");
    }
    let number = |value: &Value, pointer: &str| {
        value.pointer(pointer).map_or_else(
            || "-".to_owned(),
            |value| value.as_f64().map_or("-".to_owned(), |number| format!("{number:.0}")),
        )
    };
    for connector in connectors {
        say!("{}  {}  {}", text(connector, "/id"), text(connector, "/version"), text(connector, "/platform"));
        let connections = connector.get("connections").and_then(Value::as_array).into_iter().flatten();
        let rows: Vec<Vec<String>> = connections
            .map(|connection| {
                let [transport, address, since] =
                    ["/transport", "/remote_address", "/since"].map(|pointer| text(connection, pointer).to_owned());
                let [index, flows, sent, received] =
                    ["/index", "/flows", "/bytes_sent", "/bytes_received"].map(|pointer| number(connection, pointer));
                let rtt = connection.get("rtt_ms").and_then(Value::as_f64).unwrap_or_default();
                vec![index, transport, address, since, format!("{rtt:.1} ms"), flows, sent, received]
            })
            .collect();
        print_table(&["index", "transport", "from", "since", "round trip", "flows", "sent", "received"], &rows);
        for warning in connector.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            say!("! {}", warning.as_str().unwrap_or_default());
        }
        say!();
    }
}

/// Adds an ingress rule to a tunnel that is configured from here; only routes the host name to one that is not.
async fn publish(Call { what: arguments, api }: Call<TunnelPublish>) -> Result<(), Failure> {
    let as_json = api.json;
    let api = ApiClient::new(&api)?;
    let id = find(&api, &arguments.tunnel).await?;
    let hostname = arguments.hostname.to_ascii_lowercase();
    let answer: Value = match &arguments.service {
        Some(service) => {
            let mut rules = ingress(&api, id).await?;
            let rule = json!({"hostname": hostname, "service": service});
            match rules.iter().position(|rule| is_for(rule, &hostname)) {
                Some(known) => rules.splice(known..=known, [rule]).for_each(drop),
                // Names before wildcards, so that they are found; the rule for everything is the last.
                None if hostname.starts_with('*') => rules.insert(rules.len().saturating_sub(1), rule),
                None => rules.insert(0, rule),
            }
            configure(&api, id, rules).await?
        }
        None => api.put(&format!("{TUNNELS}/{id}/hostnames/{hostname}"), Payload::json(&json!({}))).await?,
    };
    if as_json {
        print_json(&answer);
    } else {
        say!("Published {hostname} through tunnel {id}");
    }
    Ok(())
}

async fn unpublish(Call { what: arguments, api }: Call<TunnelUnpublish>) -> Result<(), Failure> {
    let as_json = api.json;
    let api = ApiClient::new(&api)?;
    let id = find(&api, &arguments.tunnel).await?;
    let hostname = arguments.hostname.to_ascii_lowercase();
    let names: Vec<Value> = api.get(&format!("{TUNNELS}/{id}/hostnames")).await?;
    let source = names.iter().find(|name| text(name, "/hostname") == hostname).map(|name| text(name, "/source"));
    match source {
        Some("ingress") => {
            let mut rules = ingress(&api, id).await?;
            rules.retain(|rule| !is_for(rule, &hostname));
            configure(&api, id, rules).await?;
        }
        Some(_) => {
            api.delete(&format!("{TUNNELS}/{id}/hostnames/{hostname}")).await?;
        }
        None => {
            return Err(Failure::failed(format!(
                "`{hostname}` does not lead to this tunnel; `culvert tunnel publish` makes it so"
            )));
        }
    }
    if as_json {
        print_json(&json!({"unpublished": hostname}));
    } else {
        say!("{hostname} does not lead to tunnel {id} any more");
    }
    Ok(())
}

fn is_for(rule: &Value, hostname: &str) -> bool {
    text(rule, "/hostname") == hostname
}

/// The ingress rules of a tunnel; the one for everything at least.
async fn ingress(api: &ApiClient, id: Uuid) -> Result<Vec<Value>, Failure> {
    let configuration: Value = api.get(&format!("{TUNNELS}/{id}/configurations")).await?;
    let rules = configuration.pointer("/config/ingress").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(if rules.is_empty() { vec![json!({"service": "http_status:404"})] } else { rules })
}

/// Replaces the ingress rules of a tunnel and nothing else of its configuration.
async fn configure(api: &ApiClient, id: Uuid, rules: Vec<Value>) -> Result<Value, Failure> {
    let path = format!("{TUNNELS}/{id}/configurations");
    let configuration: Value = api.get(&path).await?;
    let mut config = configuration.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
    config.insert("ingress".to_owned(), rules.into());
    api.put(&path, Payload::json(&json!({"config": config}))).await
}

/// Every tunnel that is not deleted, over all pages.
async fn list(api: &ApiClient) -> Result<Vec<Value>, Failure> {
    api.get_all(TUNNELS, "is_deleted=false&per_page=100").await
}

/// The id of the tunnel with this id or name.
pub(super) async fn find(api: &ApiClient, given: &str) -> Result<Uuid, Failure> {
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
