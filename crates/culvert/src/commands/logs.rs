//! `culvert logs`: the records of invocations, as the API has them.

use serde_json::Value;

use super::records::{encoded, lines};
use crate::api_client::ApiClient;
use crate::cli::{self, Call};
use crate::failure::Failure;
use crate::output::{Printed, print_line};

/// Prints the newest records that fit, the newest last.
pub async fn run(Call { what: arguments, api }: Call<cli::Logs>) -> Result<(), Failure> {
    let path = format!("/workers/invocations?{}", query(&arguments));
    let (records, info) = ApiClient::new(&api)?.get_list(&path).await?;
    for record in records.iter().rev() {
        let lines = if api.json { vec![record.to_string()] } else { lines(record) };
        if lines.iter().any(|line| print_line(line) == Printed::NobodyReads) {
            return Ok(());
        }
    }
    match info.get("lost").and_then(Value::as_u64) {
        None | Some(0) => {}
        Some(lost) => eprintln!(
            "{lost} records of this time are not kept, because there were too many at once; the metrics count all of them."
        ),
    }
    if records.is_empty() && !api.json {
        println!("No records found. They are kept for seven days, and as `observability` of the Worker says.");
    }
    Ok(())
}

/// The filters that were given, as a query string.
fn query(arguments: &cli::Logs) -> String {
    let given = [
        ("worker", arguments.worker.clone()),
        ("version", arguments.version_id.map(|id| id.to_string())),
        ("outcome", arguments.outcome.clone()),
        ("status", arguments.status.clone()),
        ("text", arguments.text.clone()),
        ("ray_id", arguments.ray_id.clone()),
        ("min_cpu_ms", arguments.min_cpu_ms.map(|number| number.to_string())),
        ("since", arguments.since.clone()),
        ("until", arguments.until.clone()),
        ("limit", Some(arguments.limit.to_string())),
    ];
    let pairs = given.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?))));
    pairs.collect::<Vec<_>>().join("&")
}
