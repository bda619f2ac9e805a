//! Values both ways, exceptions, host functions.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;

use common::{isolate, on_thread, run, text, thrown};
use isolate::{Arguments, Engine, Failure, HostFunction, Isolate, IsolateError, IsolateOptions, Scope, Throw, Value};

fn echo(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    arguments.value(0)
}

fn kinds(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let answers = [
        arguments.bool(0).map(Value::from),
        arguments.number(0).map(Value::from),
        arguments.string(0).map(Value::from),
        arguments.bytes(0).map(|bytes| Value::from(format!("{bytes:?}"))),
        arguments.strings(0).map(|strings| Value::from(format!("{strings:?}"))),
    ];
    let fitting: Vec<Value> = answers.into_iter().flatten().collect();
    Ok(Value::List(fitting))
}

fn shape(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(Value::List(vec![
        Value::from(arguments.len() as u32),
        Value::from(arguments.is_empty()),
        Value::from(arguments.is_undefined(0)),
        Value::from(arguments.is_null(0)),
        Value::from(arguments.is_undefined(99)),
    ]))
}

fn make(_: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(Value::List(vec![
        Value::Undefined,
        Value::Null,
        Value::Bool(true),
        Value::Number(-0.0),
        Value::Number(f64::from_bits(0xfff8_dead_beef_0001)),
        Value::Number(1e300),
        Value::from("añ€😀\0"),
        Value::Bytes(vec![1, 2, 255]),
        Value::Bytes(Vec::new()),
        Value::List(Vec::new()),
    ]))
}

fn fail(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    Err(match arguments.number(0)? as u32 {
        0 => Throw::TypeError("type {0} %s".to_owned()),
        1 => Throw::RangeError("range".to_owned()),
        2 => Throw::SyntaxError("syntax".to_owned()),
        3 => Throw::Error("plain\0nul".to_owned()),
        4 => Throw::Value(arguments.handle(1)),
        5 => scope.call(&arguments.handle(1), &[]).err().map_or(Throw::Terminated, Throw::from),
        _ => panic!("boom {}", arguments.len()),
    })
}

fn call_back(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let function = arguments.handle(0);
    let depth = arguments.number(1)?;
    Ok(scope.call(&function, &[Value::Number(depth + 1.0)])?)
}

static FUNCTIONS: &[HostFunction] = &[
    HostFunction { name: "echo", length: 1, call: echo },
    HostFunction { name: "kinds", length: 1, call: kinds },
    HostFunction { name: "shape", length: 0, call: shape },
    HostFunction { name: "make", length: 0, call: make },
    HostFunction { name: "fail", length: 2, call: fail },
    HostFunction { name: "callBack", length: 2, call: call_back },
];

fn with_functions() -> Isolate {
    let engine = Engine::start().unwrap();
    let bootstrap = vec![engine.compile_script("bootstrap.js", "globalThis.host = __host").unwrap()];
    Isolate::new(&engine, IsolateOptions { bootstrap, ..IsolateOptions::default() }, FUNCTIONS, Rc::new(())).unwrap()
}

#[test]
fn values_cross_into_script() {
    on_thread(20, || {
        let mut isolate = with_functions();
        let seen = text(
            &mut isolate,
            r#"
            const show = v => v instanceof Uint8Array ? `u8[${v}]` : Array.isArray(v) ? `[${v.map(show)}]`
                : Object.is(v, -0) ? '-0' : typeof v + ' ' + String(v);
            show(host.make())"#,
        );
        assert_eq!(
            seen,
            "[undefined undefined,object null,boolean true,-0,number NaN,number 1e+300,string añ€😀\0,u8[1,2,255],u8[],[]]"
        );
    });
}

#[test]
fn values_cross_into_rust() {
    on_thread(20, || {
        let mut isolate = with_functions();
        let value = |isolate: &mut Isolate, source: &str| run(isolate, source).result.unwrap();
        assert!(matches!(value(&mut isolate, "undefined"), Value::Undefined));
        assert!(matches!(value(&mut isolate, "null"), Value::Null));
        assert!(matches!(value(&mut isolate, "true"), Value::Bool(true)));
        assert!(matches!(value(&mut isolate, "2**31"), Value::Number(number) if number == 2_147_483_648.0));
        assert!(matches!(value(&mut isolate, "'a\\ud800b'"), Value::String(text) if text == "a\u{fffd}b"));
        assert!(matches!(value(&mut isolate, "'é'.repeat(3)"), Value::String(text) if text == "ééé"));
        assert!(matches!(value(&mut isolate, "'x'.repeat(70000) + '😀'"), Value::String(text) if text.len() == 70004));
        for object in ["({})", "[]", "() => 1", "Symbol()", "1n", "new Uint8Array(3)"] {
            assert!(matches!(value(&mut isolate, object), Value::Object(_)), "{object}");
        }
    });
}

#[test]
fn getters_of_arguments_do_not_convert() {
    on_thread(20, || {
        let mut isolate = with_functions();
        for (argument, seen) in [
            ("true", "[true]"),
            ("1.5", "[1.5]"),
            ("'x'", r#"["x"]"#),
            ("new Uint8Array([1,2,3]).subarray(1)", r#"["[2, 3]"]"#),
            ("new DataView(new ArrayBuffer(2), 1)", r#"["[0]"]"#),
            ("new ArrayBuffer(2)", r#"["[0, 0]"]"#),
            ("new Uint8Array(0)", r#"["[]"]"#),
            ("['a', 'b']", r#"["[\"a\", \"b\"]"]"#),
            ("[]", r#"["[]"]"#),
            ("['a', 1]", "[]"),
            ("['a',,'b']", "[]"),
            ("new Proxy(['a'], {})", "[]"),
            ("{}", "[]"),
            ("null", "[]"),
            ("undefined", "[]"),
            ("new Number(1)", "[]"),
            ("Symbol()", "[]"),
            ("(() => { const b = new ArrayBuffer(1); const u = new Uint8Array(b); b.transfer(); return u })()", "[]"),
            ("(() => { const b = new ArrayBuffer(1); b.transfer(); return b })()", "[]"),
        ] {
            assert_eq!(text(&mut isolate, &format!("JSON.stringify(host.kinds({argument}))")), seen, "{argument}");
        }
        assert_eq!(text(&mut isolate, "JSON.stringify(host.shape())"), "[0,true,true,false,true]");
        assert_eq!(text(&mut isolate, "JSON.stringify(host.shape(null, 1))"), "[2,false,false,true,true]");
        assert_eq!(text(&mut isolate, "String(host.echo(Symbol.iterator) === Symbol.iterator)"), "true");
        assert_eq!(text(&mut isolate, "host.fail.name + host.fail.length"), "fail2");
    });
}

#[test]
fn host_functions_throw() {
    on_thread(20, || {
        let mut isolate = with_functions();
        let summary = |isolate: &mut Isolate, call: &str| thrown(isolate, call).summary();
        assert_eq!(summary(&mut isolate, "host.fail(0)"), "TypeError: type {0} %s");
        assert_eq!(summary(&mut isolate, "host.fail(1)"), "RangeError: range");
        assert_eq!(summary(&mut isolate, "host.fail(2)"), "SyntaxError: syntax");
        assert_eq!(summary(&mut isolate, "host.fail(3)"), "Error: plain nul");
        assert_eq!(summary(&mut isolate, "host.fail(4, 'just text')"), "just text");
        assert_eq!(summary(&mut isolate, "host.fail(5, () => { throw new URIError('through') })"), "URIError: through");
        assert_eq!(summary(&mut isolate, "host.fail(6)"), "Error: internal error in fail");
        assert_eq!(summary(&mut isolate, "host.fail('x')"), "TypeError: fail: argument 1 is not a number");
        let exception = thrown(&mut isolate, "\n\nfunction f() {\n  host.fail(1) }\nf()");
        assert_eq!((exception.file.as_str(), exception.line), ("test.js", 4));
        // A panic leaves the isolate usable.
        assert_eq!(text(&mut isolate, "try { host.fail(7) } catch (e) { e.message }"), "internal error in fail");
    });
}

#[test]
fn host_functions_are_re_entrant() {
    on_thread(20, || {
        let mut isolate = with_functions();
        let depth = text(
            &mut isolate,
            "String((function f(depth) { return depth < 100 ? host.callBack(f, depth) : depth })(0))",
        );
        assert_eq!(depth, "100");
        let exception = thrown(&mut isolate, "(function f(depth) { return host.callBack(f, depth) })(0)");
        assert_eq!(exception.summary(), "InternalError: too much recursion");
    });
}

#[test]
fn exceptions_are_described_like_v8_does() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let exception = thrown(&mut isolate, "function inner() {\n  throw new TypeError('bad') }\ninner()");
        assert_eq!(exception.name, "TypeError");
        assert_eq!(exception.message, "bad");
        assert_eq!((exception.file.as_str(), exception.line, exception.column), ("test.js", 2, 9));
        assert_eq!(exception.stack, "TypeError: bad\n    at inner (test.js:2:9)\n    at test.js:3:1");
        // Script sees the same format.
        assert_eq!(text(&mut isolate, "new Error('x').stack").trim_end(), "Error: x\n    at test.js:1:1");

        let exception = thrown(&mut isolate, "class Mine extends Error { name = 'Mine' }; throw new Mine('own')");
        assert_eq!(exception.summary(), "Mine: own");
        for (source, message) in [
            ("throw 42", "42"),
            ("throw 'text'", "text"),
            ("throw undefined", "undefined"),
            ("throw null", "null"),
            ("throw Symbol('s')", "Symbol()"),
            ("throw {}", "[object Object]"),
            ("throw { toString() { throw 1 } }", "[object]"),
            ("throw new Proxy({}, { get() { throw 1 } })", "[object]"),
        ] {
            let exception = thrown(&mut isolate, source);
            assert_eq!((exception.name.as_str(), exception.message.as_str()), ("", message), "{source}");
            assert_eq!(exception.stack, "", "{source}");
        }
        // Primitives have no stack, but the engine knows where they were thrown.
        let exception = thrown(&mut isolate, "\n  throw 42");
        assert_eq!((exception.file.as_str(), exception.line), ("test.js", 2));
        assert_eq!(thrown(&mut isolate, "null.x").summary(), "TypeError: can't access property \"x\" of null");
        let long = thrown(&mut isolate, "throw new Error('x'.repeat(1e6))");
        assert_eq!(long.message.len(), 16 * 1024);
    });
}

#[test]
fn syntax_errors_have_positions() {
    let engine = Engine::start().unwrap();
    let error = engine.compile_script("a.js", "let x = 1;\nlet x = 2;").unwrap_err();
    assert_eq!((error.file.as_str(), error.line, error.column), ("a.js", 2, 5));
    assert!(error.message.starts_with("SyntaxError: redeclaration of let x"), "{error}");
    let error = engine.compile_module("b.mjs", "import x from 'y'\n  export {").unwrap_err();
    assert_eq!((error.file.as_str(), error.line), ("b.mjs", 2));
    let error = engine.compile_script("deep.js", &"(".repeat(1_000_000)).unwrap_err();
    assert!(error.message.starts_with("InternalError: too much recursion"), "{error}");
    let error = engine.compile_script("c\0.js", "\u{2028}é(").unwrap_err();
    assert_eq!(error.line, 2, "{error}");
}

#[test]
fn objects_are_read_written_and_called() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let entry = isolate.enter(None, |scope| {
            let script = Engine::start().unwrap().compile_script(
                "t.js",
                "globalThis.target = { a: 1, get bad() { throw new Error('getter') }, add(x) { return this.a + x } }; Object.freeze({})",
            );
            let frozen = scope.run_script(&script.unwrap())?;
            let (Value::Object(target), Value::Object(frozen)) = (scope.global("target")?, frozen) else { panic!() };
            assert!(matches!(scope.get(&target, "a")?, Value::Number(1.0)));
            scope.set(&target, "ключ", Value::from("значение"))?;
            assert!(matches!(scope.get(&target, "ключ")?, Value::String(text) if text == "значение"));
            assert!(matches!(scope.call_method(&target, "add", &[Value::from(2)])?, Value::Number(3.0)));
            let failed = |failure: Result<Value, Failure>| match failure {
                Err(Failure::Exception(exception)) => exception.summary(),
                other => panic!("{other:?}"),
            };
            assert_eq!(failed(scope.get(&target, "bad")), "Error: getter");
            assert!(failed(scope.call(&target, &[])).contains("is not a function"));
            assert!(failed(scope.call_method(&target, "none", &[])).contains("is not a function"));
            let number = scope.handle(Value::from(1.0))?;
            assert!(failed(scope.get(&number, "x")).starts_with("TypeError: cannot read a property"));
            assert!(scope.set(&frozen, "x", Value::Null).is_err());
            assert!(matches!(scope.value(&number), Value::Number(1.0)));
            assert!(!scope.is_function(&number));
            let Value::Object(add) = scope.get(&target, "add")? else { panic!() };
            assert!(scope.is_function(&add));
            let bytes = scope.handle(Value::Bytes(vec![7; 100_000]))?;
            assert_eq!(scope.bytes(&bytes), Some(vec![7; 100_000]));
            assert_eq!(scope.bytes(&add), None);
            Ok(())
        });
        entry.result.unwrap();
        assert!(entry.rejections.is_empty());
    });
}

#[test]
fn handles_survive_collections_and_outlive_the_isolate() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let handles = isolate
            .enter(None, |scope| {
                let mut handles = Vec::new();
                for index in 0..1000_u32 {
                    let list = scope.handle(Value::List(vec![Value::from(index), Value::from(index.to_string())]))?;
                    if index % 3 == 0 {
                        drop(list);
                    } else {
                        handles.push((index, list));
                    }
                }
                scope.collect_garbage();
                Ok(handles)
            })
            .result
            .unwrap();
        let entry = isolate.enter(None, |scope| {
            scope.collect_garbage();
            for (index, list) in &handles {
                assert!(matches!(scope.get(list, "0")?, Value::Number(found) if found == f64::from(*index)));
                assert!(matches!(scope.get(list, "1")?, Value::String(found) if found == index.to_string()));
            }
            Ok(())
        });
        entry.result.unwrap();
        drop(isolate);
        let (mut other, _) = common::isolate();
        let (_, dead) = &handles[0];
        let value = other.enter(None, |scope| Ok(scope.value(dead))).result.unwrap();
        assert!(matches!(value, Value::Undefined));
    });
}

#[test]
fn structured_clone_copies_and_transfers() {
    on_thread(20, || {
        let (mut isolate, _) = isolate();
        let entry = isolate.enter(None, |scope| {
            let script = Engine::start().unwrap().compile_script(
                "t.js",
                "globalThis.buffer = new ArrayBuffer(1 << 20); globalThis.list = [buffer];
                 globalThis.same = (a, b) => String(a !== b && a.map.get('k') === a.map.get('k') && a.date.getTime() === b.date.getTime() && b.self === b);
                 globalThis.original = { map: new Map([['k', 1n]]), date: new Date(5), buffer }; original.self = original; original",
            );
            let Value::Object(original) = scope.run_script(&script.unwrap())? else { panic!() };
            let Value::Object(list) = scope.global("list")? else { panic!() };
            let copy = scope.structured_clone(&original, None)?;
            let Value::Object(same) = scope.global("same")? else { panic!() };
            let verdict = scope.call(&same, &[Value::Object(original.clone()), Value::Object(copy)])?;
            assert!(matches!(verdict, Value::String(text) if text == "true"));
            let moved = scope.structured_clone(&original, Some(&list))?;
            let Value::Object(moved) = scope.get(&moved, "buffer")? else { panic!() };
            assert_eq!(scope.bytes(&moved).map(|bytes| bytes.len()), Some(1 << 20));
            let Value::Object(buffer) = scope.global("buffer")? else { panic!() };
            assert_eq!(scope.bytes(&buffer), None, "the transferred buffer is detached");
            assert!(scope.structured_clone(&same, None).is_err(), "functions cannot be cloned");
            Ok(())
        });
        entry.result.unwrap();
    });
}

#[test]
fn an_isolate_needs_its_own_thread_with_enough_stack() {
    on_thread(20, || {
        let (_isolate, _) = isolate();
        let engine = Engine::start().unwrap();
        let second = Isolate::new(&engine, IsolateOptions::default(), &[], Rc::new(()));
        assert!(matches!(second, Err(IsolateError::ThreadInUse)));
    });
    let small = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| {
        let engine = Engine::start().unwrap();
        Isolate::new(&engine, IsolateOptions::default(), &[], Rc::new(())).err()
    });
    assert!(matches!(small.unwrap().join().unwrap(), Some(IsolateError::StackTooSmall { .. })));
}

#[test]
fn a_failing_bootstrap_is_reported_and_the_thread_stays_usable() {
    on_thread(20, || {
        let engine = Engine::start().unwrap();
        for source in ["\nthrow new Error('early')", "Promise.reject(new Error('early'))"] {
            let bootstrap = vec![engine.compile_script("boot.js", source).unwrap()];
            let options = IsolateOptions { bootstrap, ..IsolateOptions::default() };
            match Isolate::new(&engine, options, &[], Rc::new(())) {
                Err(IsolateError::Bootstrap(text)) => {
                    assert!(text.starts_with("Error: early\n    at boot.js:"), "{text}")
                }
                other => panic!("{:?}", other.err()),
            }
        }
        let (mut isolate, _) = isolate();
        assert_eq!(text(&mut isolate, "'fine' + typeof __host"), "fineundefined");
    });
}
