//! `culvert vpc service …`

use serde_json::{Map, Value, json};

use crate::api_client::{ApiClient, Payload};
use crate::cli::{Call, CertificateId, ServiceFields, ServiceType, Vpc, VpcService};
use crate::failure::Failure;
use crate::output::{print_json, print_table, say, text};

const SERVICES: &str = "/connectivity/directory/services";

/// Carries out one of the commands.
pub async fn run(command: Vpc) -> Result<(), Failure> {
    let Vpc::Service(command) = command;
    match command {
        VpcService::Create(call) => {
            let Call { what: arguments, api } = *call;
            let body = service_json(&arguments.name, &arguments.fields, &Value::Null);
            let service: Value = ApiClient::new(&api)?.post(SERVICES, Payload::json(&body)).await?;
            show(&service, api.json, "Created VPC Service");
        }
        VpcService::Update(call) => {
            let Call { what: arguments, api } = *call;
            let path = format!("{SERVICES}/{}", arguments.id);
            let client = ApiClient::new(&api)?;
            let before: Value = client.get(&path).await?;
            let body = service_json(&arguments.name, &arguments.fields, &before);
            let service: Value = client.put(&path, Payload::json(&body)).await?;
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
                say!("No VPC Services found. `culvert vpc service create --help` says how to register one.");
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
                say!("Deleted VPC Service {}", arguments.id);
            }
        }
    }
    Ok(())
}

/// The registration as the API takes it. Certificates and the policy, which are easily forgotten, are those of `before` where none are given.
fn service_json(name: &str, fields: &ServiceFields, before: &Value) -> Value {
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
    let mut tls = Map::new();
    if let Some(mode) = &fields.cert_verification_mode {
        tls.insert("cert_verification_mode".to_owned(), json!(mode));
    }
    let certificates =
        [("certificate_authority", fields.certificate_authority), ("client_certificate", fields.client_certificate)];
    for (key, given) in certificates {
        let kept = || before.pointer(&format!("/tls_settings/{key}")).cloned();
        let certificate = given.map_or_else(kept, |CertificateId(id)| id.map(|id| json!(id)));
        if let Some(certificate) = certificate.filter(|certificate| !certificate.is_null()) {
            tls.insert(key.to_owned(), certificate);
        }
    }
    if !tls.is_empty() {
        service["tls_settings"] = tls.into();
    }
    if let Some(policy) = fields.policy.as_ref().or_else(|| before.get("policy").filter(|policy| !policy.is_null())) {
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
    say!("{heading} {id}");
    say!("  name    {}", text(service, "/name"));
    say!("  type    {}", text(service, "/type"));
    say!("  host    {}", host(service));
    say!("  ports   {}", ports(service));
    say!("  tunnel  {}", tunnel(service));
    if let Some(mode) = service.pointer("/tls_settings/cert_verification_mode").and_then(Value::as_str) {
        say!("  tls     {mode}");
    }
    if let Some(policy) = service.get("policy") {
        say!("  policy  {policy}");
    }
    say!("Bind it in wrangler.jsonc: \"vpc_services\": [{{ \"binding\": \"MY_SERVICE\", \"service_id\": \"{id}\" }}]");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    fn body(more: &[&str], before: &Value) -> Value {
        let update = ["culvert", "vpc", "service", "update", ID, "--name", "x", "--type", "http", "--tunnel-id", ID];
        let words = [&update[..], &["--ipv4", "10.0.0.1"], more].concat();
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Vpc(Vpc::Service(VpcService::Update(call))) => service_json("x", &call.what.fields, before),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_update_keeps_certificates_and_policy_unless_they_are_given() {
        let before = json!({
            "tls_settings": {"cert_verification_mode": "verify_full", "certificate_authority": "a", "client_certificate": "c"},
            "policy": {"read_timeout_ms": 5},
        });
        let kept = body(&[], &before);
        assert_eq!(kept["tls_settings"], json!({"certificate_authority": "a", "client_certificate": "c"}));
        assert_eq!(kept["policy"], before["policy"]);
        let changed = body(&["--client-certificate", ID, "--certificate-authority", "none", "--policy", "{}"], &before);
        assert_eq!(changed["tls_settings"], json!({"client_certificate": ID}));
        assert_eq!(changed["policy"], json!({}));
        assert_eq!(body(&[], &Value::Null).get("tls_settings"), None);
    }

    #[test]
    fn resolvers_are_for_host_names() {
        let create = ["culvert", "vpc", "service", "create", "x", "--type", "http", "--tunnel-id", ID];
        let words = [&create[..], &["--ipv4", "10.0.0.1", "--resolver-ips", "10.0.0.2"]].concat();
        assert!(Arguments::try_parse_from(words).is_err());
    }
}
