//! One file of tests as a Worker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use invocation::{Invocation, RayId};
use serde::Deserialize;
use uuid::Uuid;
use workers::{Limits, ModuleKind, Platform, PlatformOptions, WorkerModule, WorkerVersion};

use crate::files::TestFile;
use crate::server::{NoRecords, TestServer};

/// The Worker's main module.
const HARNESS: &str = include_str!("harness.js");
/// The longest that a file may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of one test.
#[derive(Debug, Deserialize)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Why not.
    #[serde(default)]
    pub message: String,
}

/// What came of a file.
pub enum Outcome {
    /// Not run, and why.
    Skipped(String),
    /// Its tests.
    Ran(Vec<Test>),
}

impl Outcome {
    /// All failures.
    pub fn print(&self, name: &str) {
        match self {
            Outcome::Skipped(reason) => println!("{name}: skipped: {reason}"),
            Outcome::Ran(tests) => {
                let passed = tests.iter().filter(|test| test.passed).count();
                println!("{name}: {passed} of {}", tests.len());
                for test in tests.iter().filter(|test| !test.passed) {
                    println!("  {}: {}", test.name, test.message);
                }
            }
        }
    }
}

/// The platform that all files run in, and the server that they ask.
pub struct Runner {
    platform: Platform,
    server: TestServer,
}

impl Runner {
    /// Starts both.
    ///
    /// # Errors
    /// Why one of them does not start.
    pub async fn start(root: &Path) -> Result<Runner, String> {
        let server = TestServer::start(root).await?;
        let runtime = tokio::runtime::Handle::current();
        let mut options = PlatformOptions::new(Arc::new(server.outbound()), Arc::new(NoRecords), runtime);
        // Tests of timers and clocks measure.
        options.freeze_clock = false;
        options.isolate_memory = 1024 * 1024 * 1024;
        options.isolates_per_worker = 1;
        options.keep_idle = Duration::from_millis(100);
        let platform = Platform::start(options).map_err(|error| error.to_string())?;
        Ok(Runner { platform, server })
    }

    /// Runs a file.
    pub async fn run(&self, root: &Path, file: &TestFile) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.answer(root, file)).await {
            Ok(Ok(tests)) => Outcome::Ran(tests),
            Ok(Err(reason)) => Outcome::Ran(vec![whole(reason)]),
            Err(_) => Outcome::Ran(vec![whole("took too long".to_owned())]),
        }
    }

    async fn answer(&self, root: &Path, file: &TestFile) -> Result<Vec<Test>, String> {
        let version = self.version(root, file)?;
        let request = Request::get(self.server.url(&format!("{}{}", file.path, file.variant), file.https()))
            .body(invocation::empty())
            .map_err(|error| error.to_string())?;
        let invocation = Invocation { request, ray_id: RayId(1), client: None };
        let response =
            self.platform.dispatch(Arc::new(version), invocation).await.map_err(|ended| ended.to_string())?;
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let mut tests: Vec<Test> = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        for test in &mut tests {
            test.name = self.server.without_ports(&test.name);
        }
        Ok(tests)
    }

    fn version(&self, root: &Path, file: &TestFile) -> Result<WorkerVersion, String> {
        let mut parts = Vec::new();
        for path in file.scripts.iter().chain([&file.path]) {
            // The server puts names and ports into some.
            let content = std::fs::read(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
            let content = String::from_utf8_lossy(&content);
            parts.push(if path.contains(".sub.") { self.server.substituted(&content) } else { content.into_owned() });
        }
        // All of them become one function, which is strict only when all of them are.
        let strict = parts.iter().all(|part| {
            part.lines().any(|line| line.starts_with("'use strict'") || line.starts_with("\"use strict\""))
        });
        let mut scripts = if strict { b"'use strict';\n".to_vec() } else { Vec::new() };
        scripts.extend(std::fs::read(root.join("resources/testharness.js")).map_err(|error| error.to_string())?);
        scripts.extend_from_slice(b"\n;add_completion_callback(completed);begun();\n");
        for part in parts {
            scripts.extend_from_slice(part.as_bytes());
            scripts.extend_from_slice(b"\n;\n");
        }
        Ok(version(scripts))
    }
}

/// A failure of the file as a whole.
fn whole(message: String) -> Test {
    Test { name: "(the file)".to_owned(), passed: false, message }
}

/// A Worker that runs scripts.
fn version(scripts: Vec<u8>) -> WorkerVersion {
    let module =
        |name: &str, kind, content: Vec<u8>| WorkerModule { name: name.to_owned(), kind, content: content.into() };
    let limits = Limits { cpu: PATIENCE, ..Limits::default() };
    WorkerVersion {
        id: Uuid::new_v4(),
        name: "wpt".into(),
        main_module: "harness.js".to_owned(),
        modules: vec![
            module("harness.js", ModuleKind::EsModule, HARNESS.as_bytes().to_vec()),
            module("scripts.txt", ModuleKind::Text, scripts),
        ],
        bindings: Vec::new(),
        limits,
        compatibility_date: "2026-11-01".to_owned(),
        compatibility_flags: Vec::new(),
    }
}
