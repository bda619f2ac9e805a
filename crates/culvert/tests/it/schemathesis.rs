//! The API asked with everything that its OpenAPI document allows, and with what it does not: it never fails itself, what
//! it answers is what the document says, and nothing is done for those who show no token.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Edge, cache};

const VERSION: &str = "4.32.5";

/// Fixed: what this finds must not depend on the day.
const SEED: &str = "1";

/// Cases of each operation, besides those that the document's own bounds give.
const EXAMPLES: &str = "8";

/// Not asked: a WebSocket, and signing in, of which too many in vain are slowed down.
const LEFT_OUT: [&str; 2] = ["/tails/{tail}", "/session"];

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      ignored_auth,unsupported_method,allow_header_conformance,use_after_free,negative_data_rejection";

#[test]
fn the_api_is_as_its_document_says() {
    let home: PathBuf = cache().join(format!("schemathesis-{VERSION}"));
    let program = home.join("bin/schemathesis");
    if !program.exists() {
        println!("skipped: {} is not there (scripts/setup test installs it)", program.display());
        return;
    }
    let edge = Edge::start();
    edge.deploy_module("shop", "export default { fetch: () => new Response('hi') };");
    let mut command = Command::new(&program);
    command
        .current_dir(edge.directory.path())
        .arg("run")
        .arg(format!("http://{}/client/v4/openapi.json", edge.addresses.api))
        .args(["--header", &format!("Authorization:Bearer {}", edge.token())])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED])
        .args(["--checks", CHECKS, "--continue-on-failure", "--no-shrink", "--warnings", "off", "--workers", "1"])
        .args(["--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "60"]);
    for path in LEFT_OUT {
        command.args(["--exclude-path", path]);
    }
    let output = command.env("NO_COLOR", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}\n{}", String::from_utf8_lossy(&output.stderr), edge.log());
    // It stands, and serves what it served.
    assert_eq!(edge.get("shop", "/").text(), "hi");
}
