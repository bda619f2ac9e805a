//! `culvert diagnose SERVICE`: one connection to a private service, made now, and what each phase found.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::api_client::{ApiClient, Payload};
use crate::cli::{self, Call};
use crate::failure::Failure;
use crate::output::{print_json, print_line, text};

const SERVICES: &str = "/connectivity/directory/services";

/// Asks the edge to connect, and prints what it found. Fails when the service cannot be reached.
pub async fn run(Call { what: arguments, api }: Call<cli::Diagnose>) -> Result<(), Failure> {
    let client = ApiClient::new(&api)?;
    let id = find(&client, &arguments.service).await?;
    let wanted = [
        ("scheme", arguments.scheme.map(|scheme| json!(scheme.as_str()))),
        ("host", arguments.host.as_ref().map(|host| json!(host))),
        ("path", arguments.path.as_ref().map(|path| json!(path))),
        ("connector", arguments.connector.map(|id| json!(id))),
    ];
    let wanted: Map<String, Value> =
        wanted.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let found: Value = client.post(&format!("{SERVICES}/{id}/diagnose"), Payload::json(&Value::Object(wanted))).await?;
    if api.json {
        print_json(&found);
    } else {
        for line in lines(&found) {
            print_line(&line);
        }
    }
    match found.pointer("/error/code").and_then(Value::as_str) {
        None => Ok(()),
        Some(code) => Err(Failure::failed(format!(
            "{} cannot be reached: {code}; `culvert explain {code}` says more",
            text(&found, "/service_name")
        ))),
    }
}

/// The id of the service with this id or name.
async fn find(api: &ApiClient, given: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = given.parse() {
        return Ok(id);
    }
    let services: Vec<Value> = api.get(SERVICES).await?;
    services
        .iter()
        .find(|service| text(service, "/name") == given)
        .and_then(|service| text(service, "/service_id").parse().ok())
        .ok_or_else(|| {
            Failure::failed(format!(
                "there is no VPC Service named `{given}`; `culvert vpc service list` shows all of them"
            ))
        })
}

fn milliseconds(value: &Value) -> String {
    value.get("duration").and_then(Value::as_f64).map(|time| format!("{time:.1} ms")).unwrap_or_default()
}

/// What was found, for people.
fn lines(found: &Value) -> Vec<String> {
    let request = |name: &str| text(found, &format!("/request/{name}")).to_owned();
    let mut lines = vec![format!(
        "{} ({}): {}://{}{}",
        text(found, "/service_name"),
        text(found, "/service_id"),
        request("scheme"),
        request("host"),
        request("path")
    )];
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for phase in list(found, "phases") {
        lines.push(
            format!(
                "  {:<8} {:<8} {:>10}  {}",
                text(&phase, "/phase"),
                text(&phase, "/state"),
                milliseconds(&phase),
                phase.get("detail").and_then(Value::as_str).unwrap_or_default()
            )
            .trim_end()
            .to_owned(),
        );
        for (name, fact) in phase.get("facts").and_then(Value::as_object).into_iter().flatten() {
            if name == "chain" {
                fact.as_array().into_iter().flatten().for_each(|each| lines.push(certificate(each)));
            } else {
                lines.push(format!("{:31}{}: {}", "", name.replace('_', " "), shown(fact)));
            }
        }
    }
    match found.get("error") {
        None => lines.push(format!("It answers, after {}.", milliseconds(found))),
        Some(error) => {
            lines.push(format!(
                "{} ({}) in the phase {}",
                text(error, "/code"),
                text(error, "/category"),
                text(error, "/phase")
            ));
            lines.push(format!("  {}", text(error, "/detail")));
            lines.push(format!("  What to do: {}", text(error, "/fix")));
        }
    }
    let connectors = list(found, "connectors");
    if !connectors.is_empty() {
        lines.push("Through each connector of the tunnel:".to_owned());
    }
    for each in connectors {
        let result = match each.get("error").filter(|error| !error.is_null()) {
            None => format!("ok, after {}", milliseconds(&each)),
            Some(error) => format!("{}: {}", text(error, "/code"), text(error, "/detail")),
        };
        lines.push(format!("  {} ({})  {result}", text(&each, "/connector"), text(&each, "/version")));
    }
    lines
}

fn shown(fact: &Value) -> String {
    match fact {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn certificate(certificate: &Value) -> String {
    let names = certificate.get("names").map(shown).unwrap_or_default();
    format!(
        "{:31}certificate: {}, issued by {}, for {}, valid from {} until {}",
        "",
        text(certificate, "/subject"),
        text(certificate, "/issuer"),
        if names.is_empty() { "no names" } else { &names },
        text(certificate, "/not_before"),
        text(certificate, "/not_after")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_facts_and_its_fix() {
        let found = json!({
            "service_id": "5e0", "service_name": "billing", "duration": 9.4, "ok": false,
            "request": {"scheme": "https", "host": "billing.internal", "path": "/"},
            "phases": [
                {"phase": "connect", "state": "ok", "duration": 0.84, "detail": "10.0.0.7:8443 accepted the connection."},
                {"phase": "tls", "state": "failed", "duration": 4, "detail": "It has expired.", "facts": {
                    "alpn": "h2", "chain": [{"subject": "CN=b", "issuer": "CN=ca", "names": ["b"], "not_before": "2025", "not_after": "2026"}],
                }},
                {"phase": "head", "state": "skipped"},
            ],
            "error": {"code": "tls_certificate_error", "category": "Bad Upstream", "phase": "tls", "detail": "It has expired.", "fix": "Renew it."},
            "connectors": [{"connector": "c1", "version": "2026.8.2", "ok": true, "duration": 3.0, "error": null}],
        });
        let expected = "billing (5e0): https://billing.internal/
  connect  ok           0.8 ms  10.0.0.7:8443 accepted the connection.
  tls      failed       4.0 ms  It has expired.
                               alpn: h2
                               certificate: CN=b, issued by CN=ca, for b, valid from 2025 until 2026
  head     skipped
tls_certificate_error (Bad Upstream) in the phase tls
  It has expired.
  What to do: Renew it.
Through each connector of the tunnel:
  c1 (2026.8.2)  ok, after 3.0 ms";
        assert_eq!(lines(&found).join("\n"), expected);
    }
}
