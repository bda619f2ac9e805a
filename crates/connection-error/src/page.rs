//! The page for users, made from the table.

use std::fmt::Write;

use crate::{Category, ROWS};

/// `docs/connection-errors.md`, whole. A test fails when the file says something else.
pub fn page() -> String {
    let mut page = String::from(
        "# Connection errors\n\n\
         A `fetch()` on a VPC binding that fails throws an `Error` whose message is `ProxyError: <code>`. It carries `code`,\n\
         `category`, `phase`, `detail` (the facts in one sentence), `retryable`, `service`, `rayId` and `timings` (`dns`, `connect`,\n\
         `tls`, `request`, `head`, in milliseconds, absent where not reached). `culvert explain CODE` prints a row of this page.\n\n\
         This page is made from the table in `crates/connection-error/src/rows.rs`.\n",
    );
    for category in [Category::BadUpstream, Category::Client, Category::Internal] {
        let whose = match category {
            Category::BadUpstream => "the private service, its network or its configuration",
            Category::Client => "the Worker or its configuration",
            Category::Internal => "Culvert itself",
        };
        let _ = write!(page, "\n## {category}: {whose}\n");
        for row in ROWS.iter().filter(|row| row.category == category) {
            let phases: Vec<&str> = row.phases.iter().map(|phase| phase.as_str()).collect();
            let _ = write!(
                page,
                "\n### `{}`\n\n{}\n\nCauses:\n\n{}\nWhat to do: {}\n\nPhases: {}. Status in `Proxy-Status` (RFC 9209): {}.\n",
                row.code,
                row.meaning,
                row.causes.iter().map(|cause| format!("- {cause}\n")).collect::<String>(),
                row.fix,
                phases.join(", "),
                row.code.status()
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let path = "../../docs/connection-errors.md";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == page(), "docs/connection-errors.md is stale: run the tests with UPDATE_DOCS=1 and commit it");
    }
}
