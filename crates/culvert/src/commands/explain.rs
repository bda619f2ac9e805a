//! `culvert explain`: the table of connection errors, from the one source.

use connection_error::{ErrorCode, ROWS, Row, rows_of};
use serde_json::{Value, json};

use crate::cli;
use crate::failure::Failure;
use crate::output::{self, say};

/// Prints the row or rows of a code, or all of them.
pub fn run(arguments: &cli::Explain) -> Result<(), Failure> {
    let rows: Vec<&Row> = match &arguments.code {
        None => ROWS.iter().collect(),
        Some(code) => {
            let bare = code.trim().trim_start_matches("Error: ").trim_start_matches("ProxyError: ");
            let code: ErrorCode = bare.parse().map_err(|_| {
                Failure::failed(format!(
                    "`{bare}` is not a connection error; `culvert explain` without a code shows all of them"
                ))
            })?;
            rows_of(code).collect()
        }
    };
    if arguments.json {
        output::print_json(&rows.iter().map(|row| row_json(row)).collect());
        return Ok(());
    }
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            say!();
        }
        let phases: Vec<&str> = row.phases.iter().map(|phase| phase.as_str()).collect();
        say!("{} ({}; in phase {})", row.code, row.category, phases.join(", "));
        say!("  What happened: {}", row.meaning);
        say!("  Causes:");
        for cause in row.causes {
            say!("    - {cause}");
        }
        say!("  What to do:    {}", row.fix);
    }
    Ok(())
}

fn row_json(row: &Row) -> Value {
    json!({
        "code": row.code,
        "category": row.category,
        "phases": row.phases,
        "meaning": row.meaning,
        "causes": row.causes,
        "fix": row.fix,
        "status": row.code.status(),
    })
}
