//! `culvert logs`: the records of invocations, as the API has them.

use serde_json::Value;

use super::records::{encoded, lines};
use crate::api_client::ApiClient;
use crate::cli::{self, Call};
use crate::failure::Failure;
use crate::output::{Printed, print_line, say};

/// The most records of one page of the API.
const PAGE: usize = 1000;

/// Prints the newest records that fit, newest first.
pub async fn run(Call { what: arguments, api }: Call<cli::Logs>) -> Result<(), Failure> {
    let client = ApiClient::new(&api)?;
    let wanted = arguments.limit as usize;
    let (mut records, mut cursor, mut lost) = (Vec::new(), arguments.cursor.clone(), 0);
    loop {
        let filters = query(&arguments, (wanted - records.len()).min(PAGE), cursor.as_deref());
        let (page, info) = client.get_list(&format!("/workers/invocations?{filters}")).await?;
        records.extend(page);
        lost = info.get("lost").and_then(Value::as_u64).unwrap_or(lost);
        // A search for text may end a page early.
        cursor = info.get("cursor").and_then(Value::as_str).filter(|next| !next.is_empty()).map(str::to_owned);
        if cursor.is_none() || records.len() >= wanted {
            break;
        }
    }
    for record in &records {
        let lines = if api.json { vec![record.to_string()] } else { lines(record) };
        if lines.iter().any(|line| print_line(line) == Printed::NobodyReads) {
            return Ok(());
        }
    }
    if lost > 0 {
        eprintln!(
            "{lost} records of this time are not kept, because there were too many at once; the metrics count all of them."
        );
    }
    if let Some(cursor) = cursor {
        eprintln!("There are older ones: the same with --cursor {cursor}");
    }
    if records.is_empty() && !api.json {
        say!(
            "No records found. They are kept for seven days unless the edge is told otherwise, and as `observability` of the Worker says."
        );
    }
    Ok(())
}

/// The filters that were given, as a query string.
fn query(arguments: &cli::Logs, limit: usize, cursor: Option<&str>) -> String {
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
        ("limit", Some(limit.to_string())),
        ("cursor", cursor.map(str::to_owned)),
    ];
    let pairs = given.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?))));
    pairs.collect::<Vec<_>>().join("&")
}
