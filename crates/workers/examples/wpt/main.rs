//! Runs the Web Platform Tests in this platform and compares with what is expected.
//!
//! `make wpt WPT=DIR` or `cargo run --release -p workers --example wpt -- DIR [--update] [--verbose] [FILTER…]`
//!
//! DIR is a checkout of the tests, which are not part of this repository. Each `.any.js` and `.worker.js` file (and each of its variants) is a
//! Worker of its own: the harness, the scripts that the file names, and the file, compiled at start-up and run by a request. What it fetches comes
//! from the tests' own server. `expectations/` names every file with how many tests pass and why each other one does not. `--update` writes it
//! anew; reasons that are known are kept.

mod expectations;
mod files;
mod run;
mod server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use expectations::{Expectations, Verdict};
use files::TestFile;
use futures_util::StreamExt;
use run::{Outcome, Runner};

/// What is run.
const DIRECTORIES: [&str; 24] = [
    "FileAPI",
    "WebCryptoAPI",
    "compression",
    "console",
    "dom/abort",
    "dom/events",
    "encoding",
    "eventsource",
    "fetch/api",
    "fetch/content-encoding",
    "fetch/content-length",
    "fetch/content-type",
    "fetch/data-urls",
    "hr-time",
    "html/webappapis/atob",
    "html/webappapis/microtask-queuing",
    "html/webappapis/structured-clone",
    "html/webappapis/timers",
    "streams",
    "url",
    "urlpattern",
    "webmessaging",
    "websockets",
    "xhr/formdata",
];

/// Files that run at a time.
const AT_A_TIME: usize = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(root) = arguments.next().map(PathBuf::from).filter(|root| root.join("resources/testharness.js").is_file())
    else {
        println!(
            "usage: wpt DIR [--update] [--verbose] [FILTER…]\nDIR is a checkout of https://github.com/web-platform-tests/wpt"
        );
        return ExitCode::from(2);
    };
    let (options, filters): (Vec<String>, Vec<String>) = arguments.partition(|argument| argument.starts_with("--"));
    let has = |option: &str| options.iter().any(|given| given == option);
    let runner = match Runner::start(&root).await {
        Ok(runner) => runner,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let run = Run { root, filters, runner, update: has("--update"), verbose: has("--verbose") };
    let mut all = Count::default();
    for directory in DIRECTORIES {
        match run.directory(directory).await {
            Ok(count) => {
                if count.total > 0 {
                    println!("{directory}: {count}");
                }
                all.add(&count);
            }
            Err(error) => {
                println!("{directory}: the expectations could not be written: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("all: {all}");
    if all.different == 0 || run.update { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a run is about.
struct Run {
    root: PathBuf,
    filters: Vec<String>,
    runner: Runner,
    update: bool,
    verbose: bool,
}

/// How many tests passed.
#[derive(Default)]
struct Count {
    passed: usize,
    total: usize,
    /// Files that are not as expected.
    different: usize,
}

impl Count {
    fn add(&mut self, other: &Count) {
        self.passed += other.passed;
        self.total += other.total;
        self.different += other.different;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = self.passed as f64 * 100.0 / self.total.max(1) as f64;
        write!(f, "{} of {} pass ({share:.2} %)", self.passed, self.total)?;
        if self.different > 0 { write!(f, ", {} files are not as expected", self.different) } else { Ok(()) }
    }
}

impl Run {
    async fn directory(&self, directory: &str) -> std::io::Result<Count> {
        let mut expectations = Expectations::load(directory);
        let mut count = Count::default();
        let files = files::find(&self.root, directory, &self.filters);
        let names: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
        let outcomes: Vec<(TestFile, Outcome)> = futures_util::stream::iter(files)
            .map(|file| async {
                let outcome = self.outcome(&self.root, &file, &expectations).await;
                (file, outcome)
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        for (file, outcome) in outcomes {
            if let Outcome::Ran(tests) = &outcome {
                count.passed += tests.iter().filter(|test| test.passed).count();
                count.total += tests.len();
            }
            if self.verbose {
                outcome.print(&file.name);
            }
            if self.update {
                expectations.learn(&file.name, &outcome);
            } else if let Verdict::Different(differences) = expectations.compare(&file.name, &outcome) {
                count.different += 1;
                println!("{}\n  {}", file.name, differences.join("\n  "));
            }
        }
        if self.filters.is_empty() {
            for missing in expectations.missing(&names, self.update) {
                count.different += 1;
                println!("{missing}\n  is expected and not in the checkout");
            }
        }
        if self.update {
            expectations.save()?;
        }
        Ok(count)
    }

    async fn outcome(&self, root: &Path, file: &TestFile, expectations: &Expectations) -> Outcome {
        match file.skip.clone().or_else(|| expectations.skipped(&file.name)) {
            Some(reason) => Outcome::Skipped(reason),
            None => self.runner.run(root, file).await,
        }
    }
}
