//! What is expected of each file: how many tests pass, and which do not, under the reason for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::run::{Outcome, Test};

/// The reason of failures that nobody has looked at yet.
const UNKNOWN: &str = "not looked into yet";

/// What is expected of a file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Why it is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skip: Option<String>,
    /// How many tests pass.
    #[serde(default)]
    pass: usize,
    /// The names of those that do not, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fail: BTreeMap<String, Vec<String>>,
}

/// What is expected of a directory.
pub struct Expectations {
    path: PathBuf,
    files: BTreeMap<String, Expected>,
}

/// What comparing says.
pub enum Verdict {
    /// Nothing.
    AsExpected,
    /// What is different, a sentence each.
    Different(Vec<String>),
}

impl Expectations {
    /// What is written down for a directory.
    pub fn load(directory: &str) -> Expectations {
        let name = format!("{}.json", directory.replace('/', "-"));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/wpt/expectations").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        let files = serde_json::from_str(&text).unwrap_or_else(|error| {
            println!("{}: {error}", path.display());
            BTreeMap::new()
        });
        Expectations { path, files }
    }

    /// Why a file is not run, when someone wrote that down.
    pub fn skipped(&self, file: &str) -> Option<String> {
        self.files.get(file)?.skip.clone()
    }

    /// Compares a file's outcome.
    pub fn compare(&self, file: &str, outcome: &Outcome) -> Verdict {
        let nothing = Expected::default();
        let expected = self.files.get(file).unwrap_or(&nothing);
        let Outcome::Ran(tests) = outcome else {
            let known = expected.skip.is_some();
            return if known { Verdict::AsExpected } else { Verdict::Different(vec!["is not in the list".to_owned()]) };
        };
        let mut differences: Vec<String> = tests
            .iter()
            .filter(|test| !test.passed && reason(expected, &test.name).is_none())
            .map(|test| format!("fails: {}: {}", test.name, test.message))
            .collect();
        let passed = tests.iter().filter(|test| test.passed).count();
        if passed != expected.pass {
            differences.push(format!("{passed} tests pass, {} were expected to", expected.pass));
        }
        if differences.is_empty() { Verdict::AsExpected } else { Verdict::Different(differences) }
    }

    /// Takes a file's outcome for what is to be expected from now on.
    pub fn learn(&mut self, file: &str, outcome: &Outcome) {
        let learned = match outcome {
            Outcome::Skipped(reason) => Expected { skip: Some(reason.clone()), ..Expected::default() },
            Outcome::Ran(tests) => {
                let known = self.files.get(file);
                let mut learned =
                    Expected { pass: tests.iter().filter(|test| test.passed).count(), ..Expected::default() };
                for Test { name, .. } in tests.iter().filter(|test| !test.passed) {
                    let reason = known.and_then(|known| reason(known, name)).unwrap_or(UNKNOWN).to_owned();
                    learned.fail.entry(reason).or_default().push(name.clone());
                }
                learned
            }
        };
        self.files.insert(file.to_owned(), learned);
    }

    /// Files that are expected and were not found; with `forget` they are no longer expected.
    pub fn missing(&mut self, found: &BTreeSet<String>, forget: bool) -> Vec<String> {
        let missing: Vec<String> = self.files.keys().filter(|file| !found.contains(*file)).cloned().collect();
        if forget {
            self.files.retain(|file, _| found.contains(file));
            return Vec::new();
        }
        missing
    }

    /// Writes them down.
    ///
    /// # Errors
    /// Those of writing.
    pub fn save(&self) -> std::io::Result<()> {
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(&self.path, serde_json::to_string_pretty(&self.files)? + "\n")
    }
}

fn reason<'a>(expected: &'a Expected, test: &str) -> Option<&'a str> {
    expected.fail.iter().find(|(_, names)| names.iter().any(|name| name == test)).map(|(reason, _)| reason.as_str())
}
