//! Runs the Web Platform Tests in this platform and compares with what is expected.
//!
//! `make wpt WPT=DIR` or `cargo run --release -p workers --example wpt -- DIR [--update] [FILTER…]`
//!
//! DIR is a checkout of the tests, which are not part of this repository. Each `.any.js` file (and each of its variants) is a Worker of its
//! own: the harness, the scripts that the file names, and the file, compiled at start-up and run by a request. `expectations/` names every
//! file with how many tests pass and why each other one does not. `--update` writes it anew; reasons that are known are kept.

mod expectations;
mod files;
mod run;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use expectations::{Expectations, Verdict};

/// What is run, and what the tests there need that a Worker has not.
const DIRECTORIES: [&str; 12] = [
    "WebCryptoAPI",
    "compression",
    "dom/abort",
    "encoding",
    "fetch/api",
    "fetch/data-urls",
    "html/webappapis/microtask-queuing",
    "html/webappapis/structured-clone",
    "html/webappapis/timers",
    "streams",
    "url",
    "urlpattern",
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(root) = arguments.next().map(PathBuf::from).filter(|root| root.join("resources/testharness.js").is_file())
    else {
        println!("usage: wpt DIR [--update] [FILTER…]\nDIR is a checkout of https://github.com/web-platform-tests/wpt");
        return ExitCode::from(2);
    };
    let (options, filters): (Vec<String>, Vec<String>) = arguments.partition(|argument| argument.starts_with("--"));
    let update = options.iter().any(|option| option == "--update");
    let verbose = options.iter().any(|option| option == "--verbose");
    let platform = match run::Platforms::start(root.clone()) {
        Ok(platform) => platform,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut good = true;
    let (mut passed, mut total) = (0, 0);
    for directory in DIRECTORIES {
        let mut expectations = Expectations::load(directory);
        let (mut passed_here, mut total_here) = (0, 0);
        for file in files::find(&root, directory, &filters) {
            let outcome = match &file.skip {
                Some(reason) => run::Outcome::Skipped(reason.clone()),
                None if let Some(reason) = expectations.skipped(&file.name) => run::Outcome::Skipped(reason),
                None => platform.run(&root, &file).await,
            };
            if let run::Outcome::Ran(tests) = &outcome {
                passed_here += tests.iter().filter(|test| test.passed).count();
                total_here += tests.len();
            }
            if verbose {
                outcome.print(&file.name);
            }
            match expectations.compare(&file.name, &outcome) {
                Verdict::AsExpected => {}
                Verdict::Different(differences) => {
                    good = false;
                    println!("{}\n  {}", file.name, differences.join("\n  "));
                }
            }
            if update {
                expectations.learn(&file.name, &outcome);
            }
        }
        if total_here > 0 {
            let share = passed_here as f64 * 100.0 / total_here as f64;
            println!("{directory}: {passed_here} of {total_here} pass ({share:.1} %)");
        }
        passed += passed_here;
        total += total_here;
        if update && let Err(error) = expectations.save() {
            println!("{directory}: the expectations could not be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    println!("{passed} passed, {} failed", total - passed);
    if good || update { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
