//! `culvert vpc service …`

use serde_json::{Map, Value, json};

use crate::api_client::{ApiClient, Payload};
use crate::cli::{Call, ServiceFields, ServiceType, Vpc, VpcService};
use crate::failure::Failure;
use crate::output::{print_json, print_table, text};

const SERVICES: &str = "/connectivity/directory/services";

/// Carries out one of the commands.
pub async fn run(command: Vpc) -> Result<(), Failure> {
    let Vpc::Service(command) = command;
    match command {
        VpcService::Create(call) => {
            let Call { what: arguments, api } = *call;
            let body = service_json(&arguments.name, &arguments.fields);
            let service: Value = ApiClient::new(&api)?.post(SERVICES, Payload::json(&body)).await?;
            show(&service, api.json, "Created VPC Service");
        }
        VpcService::Update(call) => {
            let Call { what: arguments, api } = *call;
            let body = service_json(&arguments.name, &arguments.fields);
            let path = format!("{SERVICES}/{}", arguments.id);
            let service: Value = ApiClient::new(&api)?.put(&path, Payload::json(&body)).await?;
            show(&service, api.json, "Updated VPC Service");
        }
        VpcService::Get(Call { what: arguments, api }) => {
            let path = format!("{SERVICES}/{}", arguments.id);
            let service: Value = ApiClient::new(&api)?.get(&path).await?;
            show(&service, api.json, "VPC Service");
        }
        VpcService::List(api) => {
            let services: Vec<Value> = ApiClient::new(&api)?.get(SERVICES).await?;
            if api.json {
                print_json(&Value::Array(services));
            } else if services.is_empty() {
                println!("No VPC Services found. `culvert vpc service create --help` says how to register one.");
            } else {
                let rows: Vec<Vec<String>> = services.iter().map(row).collect();
                print_table(&["id", "name", "type", "ports", "host", "tunnel", "created"], &rows);
            }
        }
        VpcService::Delete(Call { what: arguments, api }) => {
            ApiClient::new(&api)?.delete(&format!("{SERVICES}/{}", arguments.id)).await?;
            if api.json {
                print_json(&json!({"deleted": arguments.id}));
            } else {
                println!("Deleted VPC Service {}", arguments.id);
            }
        }
    }
    Ok(())
}

/// The registration as the API takes it.
fn service_json(name: &str, fields: &ServiceFields) -> Value {
    let network = json!({"tunnel_id": fields.tunnel_id});
    let mut host = Map::new();
    if let Some(hostname) = &fields.hostname {
        host.insert("hostname".into(), json!(hostname));
        let mut resolver = network;
        if !fields.resolver_ips.is_empty() {
            resolver["resolver_ips"] = json!(fields.resolver_ips);
        }
        host.insert("resolver_network".into(), resolver);
    } else {
        let addresses =
            [("ipv4", fields.ipv4.map(|ip| ip.to_string())), ("ipv6", fields.ipv6.map(|ip| ip.to_string()))];
        host.extend(addresses.into_iter().filter_map(|(key, ip)| Some((key.to_owned(), json!(ip?)))));
        host.insert("network".into(), network);
    }
    let kind = match fields.kind {
        ServiceType::Http => "http",
        ServiceType::Tcp => "tcp",
    };
    let mut service = json!({"name": name, "type": kind, "host": host});
    let ports = [("http_port", fields.http_port), ("https_port", fields.https_port), ("tcp_port", fields.tcp_port)];
    for (key, port) in ports.into_iter().filter_map(|(key, port)| Some((key, port?))) {
        service[key] = json!(port);
    }
    if let Some(protocol) = &fields.app_protocol {
        service["app_protocol"] = json!(protocol);
    }
    if let Some(mode) = &fields.cert_verification_mode {
        service["tls_settings"] = json!({"cert_verification_mode": mode});
    }
    if let Some(policy) = &fields.policy {
        service["policy"] = policy.clone();
    }
    service
}

fn row(service: &Value) -> Vec<String> {
    vec![
        text(service, "/service_id").to_owned(),
        text(service, "/name").to_owned(),
        text(service, "/type").to_owned(),
        ports(service),
        host(service),
        tunnel(service).to_owned(),
        text(service, "/created_at").to_owned(),
    ]
}

fn ports(service: &Value) -> String {
    let named = [("HTTP", "http_port"), ("HTTPS", "https_port"), ("TCP", "tcp_port")];
    let ports: Vec<String> =
        named.iter().filter_map(|(label, key)| Some(format!("{label}:{}", service.get(key)?.as_u64()?))).collect();
    match (ports.is_empty(), service.get("app_protocol").and_then(Value::as_str)) {
        (true, _) => "HTTP:80, HTTPS:443".to_owned(),
        (false, Some(protocol)) => format!("{} ({protocol})", ports.join(", ")),
        (false, None) => ports.join(", "),
    }
}

fn host(service: &Value) -> String {
    let names: Vec<&str> = ["hostname", "ipv4", "ipv6"]
        .iter()
        .filter_map(|key| service.pointer(&format!("/host/{key}"))?.as_str())
        .collect();
    names.join(", ")
}

fn tunnel(service: &Value) -> &str {
    match text(service, "/host/network/tunnel_id") {
        "-" => text(service, "/host/resolver_network/tunnel_id"),
        id => id,
    }
}

fn show(service: &Value, as_json: bool, heading: &str) {
    if as_json {
        return print_json(service);
    }
    let id = text(service, "/service_id");
    println!("{heading} {id}");
    println!("  name    {}", text(service, "/name"));
    println!("  type    {}", text(service, "/type"));
    println!("  host    {}", host(service));
    println!("  ports   {}", ports(service));
    println!("  tunnel  {}", tunnel(service));
    if let Some(mode) = service.pointer("/tls_settings/cert_verification_mode").and_then(Value::as_str) {
        println!("  tls     {mode}");
    }
    if let Some(policy) = service.get("policy") {
        println!("  policy  {policy}");
    }
    println!(
        "Bind it in wrangler.jsonc: \"vpc_services\": [{{ \"binding\": \"MY_SERVICE\", \"service_id\": \"{id}\" }}]"
    );
}
