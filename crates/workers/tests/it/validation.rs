//! What is said of versions that cannot be deployed.

use std::sync::Arc;

use workers::{Invalid, WorkerVersion};

use crate::support::*;

async fn invalid(world: &World, version: WorkerVersion) -> Invalid {
    tokio::time::timeout(PATIENCE, world.platform.validate(Arc::new(version)))
        .await
        .expect("a verdict in time")
        .unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_version_tells_its_handlers() {
    let world = World::new();
    let validated = world.platform.validate(Arc::new(worker(&["hello.js"]))).await.unwrap();
    assert_eq!(validated.handlers, ["fetch"]);
    assert!(!validated.startup.is_zero());
    assert_eq!(world.platform.isolates(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_versions_are_told_apart() {
    let world = World::new();
    let syntax = invalid(&world, source("export default {\n  fetch( {\n};\n")).await;
    let Invalid::Syntax { file, line, column, .. } = &syntax else { panic!("{syntax:?}") };
    assert_eq!(file, "index.js");
    assert!(*line >= 2 && *column > 0);
    assert_eq!(syntax.code(), Some(10021));
    assert!(syntax.to_string().contains("SyntaxError") && syntax.to_string().contains("index.js:"), "{syntax}");

    for (text, expected) in [
        ("import './missing.js'; export default { fetch() {} };", "./missing.js"),
        ("import fs from 'node:fs'; export default { fetch() {} };", "node:fs"),
        ("import x from 'lodash'; export default { fetch() {} };", "lodash"),
        ("import x from 'culvert:host.js'; export default { fetch() {} };", "culvert:host.js"),
        ("throw new RangeError('at the top');", "Uncaught RangeError: at the top"),
        ("null.x;", "TypeError"),
        ("setTimeout(() => {}, 1); export default { fetch() {} };", "global scope"),
        ("await fetch('http://a/'); export default { fetch() {} };", "global scope"),
    ] {
        let error = invalid(&world, source(text)).await;
        assert!(matches!(error, Invalid::Exception { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert_eq!(error.code(), Some(10021));
    }

    let error = invalid(&world, source("const x = 1;")).await;
    assert!(matches!(error, Invalid::NoHandlers), "{error:?}");
    assert_eq!(error.code(), Some(10068));
    let error = invalid(&world, source("export default { other() {} };")).await;
    assert!(matches!(error, Invalid::NoHandlers), "{error:?}");

    let error = invalid(&world, source("await new Promise(() => {}); export default { fetch() {} };")).await;
    assert!(matches!(error, Invalid::StartupHung(_)), "{error:?}");
    let error = invalid(&world, source("for (;;);")).await;
    assert!(matches!(error, Invalid::StartupCpu(_)), "{error:?}");
    assert!(error.to_string().starts_with("Script startup exceeded CPU time limit"), "{error}");
    assert!(error.to_string().contains("index.js:1:"), "{error}");
    let error = invalid(&world, source("const k = []; for (;;) k.push(new Uint8Array(1 << 20).fill(1));")).await;
    assert!(matches!(error, Invalid::StartupMemory(_)), "{error:?}");
    // In one piece, which the engine refuses without saying more than that.
    let error =
        invalid(&world, source("const a = new Uint8Array(200 << 20).fill(1); export default { fetch() {} };")).await;
    assert!(matches!(error, Invalid::StartupMemory(_)), "{error:?}");
    assert!(
        error.to_string().contains("exceeded memory limit") && error.to_string().contains("bytes are allowed"),
        "{error}"
    );

    let mut version = source("");
    version.main_module = "other.js".into();
    assert!(matches!(invalid(&world, version).await, Invalid::MainModule(_)));
    let mut version = source("module.exports = {};");
    version.modules[0].kind = workers::ModuleKind::CommonJs;
    let error = invalid(&world, version).await;
    assert!(error.to_string().contains("CommonJS"), "{error}");
    let mut version = worker(&["hello.js", "bundle/data.json"]);
    version.modules[1].content = "{".into();
    let error = invalid(&world, version).await;
    assert!(error.to_string().contains("bundle/data.json"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_start_fails_its_requests() {
    let world = World::new();
    let version = Arc::new(source("throw new RangeError('at the top');"));
    for _ in 0..3 {
        let ended = world.get(&version, "/").await.unwrap_err();
        assert_eq!(ended.outcome, invocation::Outcome::Exception);
        let record = world.records.next().await;
        assert_eq!(record.exceptions[0].name, "RangeError");
        assert!(record.exceptions[0].stack.contains("index.js:1:"), "{record:?}");
    }
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eval_is_for_startup_only() {
    let world = World::new();
    let text = "const f = new Function('return 7'); export default { fetch() { \
        try { return new Response(String(eval('1'))); } catch (error) { return new Response(f() + error.name); } } };";
    let version = source(text);
    assert_eq!(world.text(&Arc::new(version.clone()), "/").await.1, "7EvalError");
    let old = WorkerVersion { compatibility_date: "2024-01-01".into(), id: uuid::Uuid::new_v4(), ..version };
    assert!(invalid(&world, old).await.to_string().contains("EvalError"));
}
