//! `culvert tunnel route …`: what is behind which tunnel, for VPC Networks.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::tunnel;
use crate::api_client::{ApiClient, Payload};
use crate::cli::{Call, TunnelRoute, TunnelRouteAdd, TunnelRouteDelete};
use crate::failure::Failure;
use crate::output::{print_json, print_table, say, text};

/// Ranges of addresses, and host names: where the API keeps each, and the member that names the destination.
const KINDS: [(&str, &str); 2] = [(RANGES, "network"), (HOSTNAMES, "hostname")];
const RANGES: &str = "/teamnet/routes";
const HOSTNAMES: &str = "/zerotrust/routes/hostname";

/// Carries out one of the commands.
pub async fn run(command: TunnelRoute) -> Result<(), Failure> {
    match command {
        TunnelRoute::Add(call) => add(call).await,
        TunnelRoute::List(api) => {
            let routes = list(&ApiClient::new(&api)?).await?;
            if api.json {
                print_json(&Value::Array(routes));
            } else if routes.is_empty() {
                say!("No routes found: a VPC Network reaches whatever its tunnel's connectors reach.");
                say!("`culvert tunnel route add TUNNEL 10.0.0.0/8` makes one.");
            } else {
                let rows: Vec<Vec<String>> = routes
                    .iter()
                    .map(|route| {
                        let cells = ["/id", "/tunnel_name", "/comment"].map(|pointer| text(route, pointer).to_owned());
                        let [id, tunnel, comment] = cells;
                        vec![id, destination(route).to_owned(), tunnel, comment]
                    })
                    .collect();
                print_table(&["id", "destination", "tunnel", "comment"], &rows);
            }
            Ok(())
        }
        TunnelRoute::Delete(call) => delete(call).await,
    }
}

fn destination(route: &Value) -> &str {
    let mut members = KINDS.iter().filter_map(|(_, member)| route.get(member)?.as_str());
    members.next().unwrap_or_default()
}

async fn add(Call { what: arguments, api }: Call<TunnelRouteAdd>) -> Result<(), Failure> {
    let as_json = api.json;
    let api = ApiClient::new(&api)?;
    let tunnel = tunnel::find(&api, &arguments.tunnel).await?;
    let given = &arguments.destination;
    let is_range = given.contains('/') || given.parse::<IpAddr>().is_ok() || given.parse::<IpNet>().is_ok();
    let (path, member) = if is_range { KINDS[0] } else { KINDS[1] };
    let mut body = json!({ "tunnel_id": tunnel, "comment": arguments.comment });
    body[member] = given.as_str().into();
    let route: Value = api.post(path, Payload::json(&body)).await?;
    if as_json {
        print_json(&route);
    } else {
        say!("{} is behind tunnel {tunnel} (route {})", destination(&route), text(&route, "/id"));
    }
    Ok(())
}

/// Every route of both kinds, over all pages.
async fn list(api: &ApiClient) -> Result<Vec<Value>, Failure> {
    let mut routes = Vec::new();
    for (path, _) in KINDS {
        routes.extend(api.get_all(path, "per_page=1000").await?);
    }
    Ok(routes)
}

async fn delete(Call { what: arguments, api }: Call<TunnelRouteDelete>) -> Result<(), Failure> {
    let as_json = api.json;
    let api = ApiClient::new(&api)?;
    let id = arguments.route;
    let routes = list(&api).await?;
    let route = routes.iter().find(|route| text(route, "/id").parse() == Ok(id)).ok_or_else(|| {
        Failure::failed(format!("there is no route {id}; `culvert tunnel route list` shows all of them"))
    })?;
    let path = if route.get(KINDS[0].1).is_some() { RANGES } else { HOSTNAMES };
    api.delete(&format!("{path}/{id}")).await?;
    if as_json {
        print_json(&json!({"deleted": id}));
    } else {
        say!("Deleted the route of {}", destination(route));
    }
    Ok(())
}
