//! Modules of each kind, cycles, top-level await, dynamic import, and how they fail.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;

use common::{Modules, isolate, on_thread, text};
use isolate::{Engine, Failure, Isolate, Module, PromiseState, Value};

/// Imports a module in an entry of its own; its default export as a string, or the summary of the rejection.
fn import(isolate: &mut Isolate, modules: Modules, specifier: &str) -> Result<String, String> {
    isolate.set_modules(Rc::new(modules));
    let promise = isolate.enter(None, |scope| scope.import(specifier));
    assert!(promise.rejections.is_empty(), "the embedder handles the import: {:?}", promise.rejections);
    settled(isolate, &promise.result.unwrap())
}

fn settled(isolate: &mut Isolate, promise: &isolate::Handle) -> Result<String, String> {
    let entry = isolate.enter(None, |scope| match scope.promise_state(promise) {
        Some(PromiseState::Fulfilled(Value::Object(namespace))) => match scope.get(&namespace, "default")? {
            Value::String(text) => Ok(Ok(text)),
            other => Ok(Ok(format!("{other:?}"))),
        },
        Some(PromiseState::Rejected(reason)) => Ok(Err(scope.exception(&reason).summary())),
        other => Ok(Err(format!("{other:?}"))),
    });
    entry.result.unwrap()
}

#[test]
fn static_imports_share_one_instance() {
    on_thread(20, || {
        let (mut isolate, log) = isolate();
        let modules = Modules::default()
            .js("main.js", "import { n } from './a.js'; import * as b from './b.js'; export default `${n} ${b.n} ${b.same}`")
            .js("a.js", "log('a runs'); export const n = 1; export const o = {};")
            .js("b.js", "import { o } from './a.js'; import { o as o2 } from 'a.js'; export const n = 2; export const same = o === o2");
        assert_eq!(import(&mut isolate, modules, "main.js"), Ok("1 2 true".to_owned()));
        assert_eq!(*log.0.borrow(), ["a runs"]);
    });
}

#[test]
fn cycles_and_import_meta() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let modules = Modules::default()
            .js("main.js", "import { b } from './b.js'; export function a() { return 'a' } export default b() + import.meta.url")
            .js("b.js", "import { a } from './main.js'; export function b() { return 'b' + a() + import.meta.url + Object.keys(import.meta) }");
        assert_eq!(import(&mut isolate, modules, "main.js"), Ok("bab.jsurlmain.js".to_owned()));
    });
}

#[test]
fn top_level_await() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let modules = Modules::default()
            .js("main.js", "import { x } from './slow.js'; export default await Promise.resolve(x + 1).then(String)")
            .js("slow.js", "let x; for (let i = 0; i < 10; i++) x = await i; export { x }");
        assert_eq!(import(&mut isolate, modules, "main.js"), Ok("10".to_owned()));
    });
}

#[test]
fn an_import_waits_for_the_host() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let gate = isolate.enter(None, |scope| scope.promise()).result.unwrap();
        isolate
            .enter(None, |scope| {
                let script =
                    Engine::start().unwrap().compile_script("t.js", "gate => { globalThis.gate = gate }").unwrap();
                let Value::Object(set) = scope.run_script(&script)? else { panic!() };
                scope.call(&set, &[Value::Object(gate.clone())])
            })
            .result
            .unwrap();
        isolate.set_modules(Rc::new(Modules::default().js("m.js", "export default await gate")));
        let promise = isolate.enter(None, |scope| scope.import("m.js")).result.unwrap();
        let state =
            |isolate: &mut Isolate| isolate.enter(None, |scope| Ok(scope.promise_state(&promise))).result.unwrap();
        assert!(matches!(state(&mut isolate), Some(PromiseState::Pending)));
        isolate.enter(None, |scope| scope.resolve(&gate, Value::from("opened"))).result.unwrap();
        assert_eq!(settled(&mut isolate, &promise), Ok("opened".to_owned()));
        // Settling again does nothing.
        isolate.enter(None, |scope| scope.resolve(&gate, Value::Null)).result.unwrap();
    });
}

#[test]
fn json_text_data_and_wasm() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        // (module (func (export "f") (result i32) i32.const 42))
        let wasm = vec![
            0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 0x0a, 6, 1,
            4, 0, 0x41, 0x2a, 0x0b,
        ];
        let modules = Modules::default()
            .other("a.json", Module::Json { url: "a.json".into(), text: r#"{"k":["é",1]}"#.into() })
            .other("a.txt", Module::Text { url: "a.txt".into(), text: "текст".into() })
            .other("a.bin", Module::Data { url: "a.bin".into(), bytes: vec![1, 2, 3] })
            .other("empty.bin", Module::Data { url: "empty.bin".into(), bytes: Vec::new() })
            .other("a.wasm", Module::Wasm { url: "a.wasm".into(), bytes: wasm })
            .js(
                "main.js",
                r#"import json from './a.json'; import json2 from './a.json' with { type: 'json' };
                import text from './a.txt'; import data from './a.bin'; import empty from './empty.bin'; import module from './a.wasm';
                const instance = new WebAssembly.Instance(module);
                const again = (await import('./a.wasm')).default;
                const { exports } = await WebAssembly.instantiate(module);
                export default JSON.stringify([json, json === json2, text, data instanceof ArrayBuffer, [...new Uint8Array(data)],
                    empty.byteLength, module instanceof WebAssembly.Module, again === module, instance.exports.f(), exports.f()])"#,
            );
        assert_eq!(
            import(&mut isolate, modules, "main.js"),
            Ok(r#"[{"k":["é",1]},true,"текст",true,[1,2,3],0,true,true,42,42]"#.to_owned())
        );
    });
}

#[test]
fn failures_name_the_specifier_and_the_referrer() {
    on_thread(20, || {
        // A new isolate for each: modules are remembered by URL.
        let fails = |modules: Modules, main: &str, expected: &str| {
            let (mut isolate, _) = isolate();
            let error = import(&mut isolate, modules.js("main.js", main), "main.js").unwrap_err();
            assert_eq!(error, expected, "{main}");
        };
        fails(
            Modules::default(),
            "import './none.js'",
            "TypeError: No such module \"./none.js\" (imported from \"main.js\")",
        );
        fails(
            Modules::default().js("deep.js", "import 'deeper.js'"),
            "import './deep.js'",
            "TypeError: No such module \"deeper.js\" (imported from \"deep.js\")",
        );
        fails(
            Modules::default().js("deep.js", "export {}"),
            "import { x } from './deep.js'",
            "SyntaxError: The requested module 'deep.js' doesn't provide an export named: 'x'",
        );
        fails(
            Modules::default().other("a.txt", Module::Text { url: "a.txt".into(), text: String::new() }),
            "import x from './a.txt' with { type: 'json' }",
            "TypeError: Module \"./a.txt\" (imported from \"main.js\") is not of the type its import attributes ask for",
        );
        fails(
            Modules::default().other("a.json", Module::Json { url: "a.json".into(), text: "{\n nope".into() }),
            "import x from './a.json'",
            "SyntaxError: JSON.parse: expected property name or '}' at line 2 column 2 of the JSON data",
        );
        fails(Modules::default(), "throw new Error('at the top')", "Error: at the top");
        fails(Modules::default(), "await Promise.reject(new Error('later'))", "Error: later");
        fails(
            Modules::default().other("a.wasm", Module::Wasm { url: "a.wasm".into(), bytes: vec![0, 1, 2] }),
            "import x from './a.wasm'",
            "CompileError: at offset 0: failed to match magic number",
        );
    });
}

#[test]
fn an_isolate_without_modules_says_so() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let promise = isolate.enter(None, |scope| scope.import("x")).result.unwrap();
        let error = settled(&mut isolate, &promise).unwrap_err();
        assert_eq!(error, "TypeError: No such module \"x\" (imported from \"\"): the isolate has no modules");
    });
}

#[test]
fn dynamic_import_in_script() {
    on_thread(20, || {
        let (mut isolate, log) = isolate();
        let modules = Modules::default()
            .js("main.js", "
                const tried = [];
                for (const name of ['./good.js', './none.js', './bad.js', './bad.js', './syntax.js', { toString() { throw 1 } }]) {
                    try { tried.push((await import(name)).default) } catch (e) { tried.push(String(e)) }
                }
                tried.push((await import('./good.js')) === (await import('good.js')));
                export default tried.join('; ')")
            .js("good.js", "log('good runs'); export default 'good'")
            .js("bad.js", "log('bad runs'); throw new RangeError('bad')")
            .js("syntax.js", "import { nope } from './good.js'");
        assert_eq!(
            import(&mut isolate, modules, "main.js").unwrap(),
            "good; TypeError: No such module \"./none.js\" (imported from \"main.js\"); RangeError: bad; RangeError: bad; \
             SyntaxError: The requested module 'good.js' doesn't provide an export named: 'nope'; 1; true"
        );
        assert_eq!(*log.0.borrow(), ["good runs", "bad runs"]);
        // A classic script may import too. Unhandled, its failure is reported.
        let entry = common::run(&mut isolate, "import('./never.js'); 'done'");
        assert_eq!(entry.rejections.len(), 1);
        assert!(entry.rejections[0].message.starts_with("No such module"), "{:?}", entry.rejections);
    });
}

#[test]
fn a_module_can_be_imported_again_after_its_dependency_appears() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let modules = || Modules::default().js("main.js", "import x from './late.js'; export default x");
        assert!(import(&mut isolate, modules(), "main.js").is_err());
        assert_eq!(
            import(&mut isolate, modules().js("late.js", "export default 'now'"), "main.js"),
            Ok("now".to_owned())
        );
    });
}

#[test]
fn one_stencil_serves_many_isolates_at_once() {
    let engine = Engine::start().unwrap();
    let code = engine
        .compile_module("shared.js", "let calls = 0; export default function f() { return ++calls } export { f }")
        .unwrap();
    let script =
        engine.compile_script("t.js", "m => { let n; for (let i = 0; i < 1000; i++) n = m.f(); return n }").unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (code, script) = (code.clone(), script.clone());
            std::thread::Builder::new()
                .stack_size(Isolate::STACK_SIZE)
                .spawn(move || {
                    let (mut isolate, _) = isolate();
                    let modules =
                        Modules::default().other("shared.js", Module::EsModule { url: "shared.js".into(), code });
                    isolate.set_modules(Rc::new(modules));
                    let promise = isolate.enter(None, |scope| scope.import("shared.js")).result.unwrap();
                    let entry = isolate.enter(None, |scope| {
                        let Some(PromiseState::Fulfilled(Value::Object(namespace))) = scope.promise_state(&promise)
                        else {
                            panic!()
                        };
                        let Value::Object(function) = scope.run_script(&script)? else { panic!() };
                        scope.call(&function, &[Value::Object(namespace)])
                    });
                    assert!(matches!(entry.result, Ok(Value::Number(1000.0))), "{:?}", entry.result);
                })
                .unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_module_stencil_is_not_a_script() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let engine = Engine::start().unwrap();
        let module = engine.compile_module("m.js", "export {}").unwrap();
        let failed = isolate.enter(None, |scope| scope.run_script(&module)).result;
        assert!(
            matches!(failed, Err(Failure::Exception(exception)) if exception.message == "a module is imported, not run")
        );
        let script = engine.compile_script("s.js", "1").unwrap();
        let modules = Modules::default().other("s.js", Module::EsModule { url: "s.js".into(), code: script });
        assert!(import(&mut isolate, modules, "s.js").unwrap_err().contains("was compiled as a script"));
        assert_eq!(text(&mut isolate, "'alive'"), "alive");
    });
}

struct Panics;

impl isolate::ModuleSource for Panics {
    fn resolve(&self, _: &str, _: &str) -> Result<Module, isolate::ModuleError> {
        panic!("in the module source")
    }
}

#[test]
fn a_panic_of_the_source_is_an_error_of_the_import() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        isolate.set_modules(Rc::new(Panics));
        let promise = isolate.enter(None, |scope| scope.import("x")).result.unwrap();
        let error = settled(&mut isolate, &promise).unwrap_err();
        assert_eq!(error, "TypeError: internal error while finding \"x\" (imported from \"\")");
        assert_eq!(text(&mut isolate, "'alive'"), "alive");
    });
}
