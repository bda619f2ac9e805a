//! What is refused: what Culvert does not have, what is wrong, and what a token may not do.

use serde_json::{Value, json};

use super::Wrangler;

/// What Culvert does not have is refused by the name of the binding; what is wrong is told where.
pub fn refusals(wrangler: &Wrangler, configuration: &Value) {
    let plain = |more: Value| {
        let mut plain = json!({ "name": "refused", "main": "greeter.js", "compatibility_date": "2025-09-01" });
        plain.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plain
    };
    let is_new = wrangler.is_new();
    wrangler.write("flow.js", "export class Flow {}\nexport default { fetch() {} };\n");
    // wrangler looks for some of these before it uploads. An old one ends there, where they are known by their own names or, what
    // has no name yet, by what wrangler prints before.
    let named = |new: &'static str, old: &'static str| if is_new { new } else { old };
    for (more, named) in [
        (json!({ "kv_namespaces": [{ "binding": "CACHE", "id": "0123456789abcdef0123456789abcdef" }] }), "CACHE"),
        (
            json!({ "d1_databases": [{ "binding": "DB", "database_name": "d", "database_id": "0123456789abcdef0123456789abcdef" }] }),
            "DB",
        ),
        (json!({ "kv_namespaces": [{ "binding": "PAGE_CACHE" }] }), "PAGE_CACHE"),
        (json!({ "d1_databases": [{ "binding": "DB", "database_name": "d" }] }), "database \"d\""),
        (json!({ "d1_databases": [{ "binding": "DB" }] }), "DB"),
        (json!({ "r2_buckets": [{ "binding": "FILES", "bucket_name": "files" }] }), named("\"FILES\"", "\"files\"")),
        (json!({ "r2_buckets": [{ "binding": "FILES" }] }), "FILES"),
        (json!({ "queues": { "producers": [{ "binding": "JOBS", "queue": "jobs" }] } }), named("\"JOBS\"", "\"jobs\"")),
        (json!({ "dispatch_namespaces": [{ "binding": "TENANTS", "namespace": "tenants" }] }), "\"TENANTS\""),
        (
            json!({ "main": "flow.js", "workflows": [{ "binding": "FLOW", "name": "flow", "class_name": "Flow" }] }),
            "\"FLOW\"",
        ),
        (json!({ "ai": { "binding": "AI" } }), "AI"),
        (
            json!({ "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room", "script_name": "other" }] } }),
            "ROOM",
        ),
    ] {
        wrangler.configure(&plain(more));
        wrangler.bad("deploy", &[named, "not available in Culvert"]);
    }
    wrangler.write("public/index.html", "<p>");
    wrangler.configure(&plain(json!({ "assets": { "directory": "public" } })));
    wrangler.bad("deploy", &["not available in Culvert", "10021"]);
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (more, said) in [
        (json!({ "vpc_services": [{ "binding": "X", "service_id": unknown }] }), "VPC Service"),
        (json!({ "vpc_networks": [{ "binding": "X", "tunnel_id": unknown }] }), "tunnel"),
        (json!({ "services": [{ "binding": "X", "service": "nobody" }] }), "Worker"),
    ] {
        wrangler.configure(&plain(more));
        wrangler.bad("deploy", &["\"X\"", said, "does not exist", "10021"]);
    }
    // Modules beside the main one are uploaded as they are.
    let rules = json!([{ "type": "ESModule", "globs": ["faulty/*.mjs"] }]);
    wrangler.write("faulty/broken.mjs", "export default {\n  fetch() { return new Response(1 +); }\n};\n");
    wrangler.write("broken.js", "export { default } from './faulty/broken.mjs';\n");
    wrangler.configure(&plain(json!({ "main": "broken.js", "no_bundle": true, "rules": rules })));
    wrangler.bad("deploy", &["SyntaxError", "faulty/broken.mjs:2:", "10021"]);
    wrangler.write("lost.js", "import './nowhere.js';\nexport default { fetch() {} };\n");
    wrangler.configure(&plain(json!({ "main": "lost.js", "no_bundle": true })));
    wrangler.bad("deploy", &["\"./nowhere.js\", imported from \"lost.js\"", "10021"]);
    // It ends, because wrangler runs what is too slow once more, where nothing is limited.
    wrangler.write("slow.js", "let x = 0;\nfor (let i = 0; i < 3e9; i++) x = (x * 31 + i) | 0;\nexport default { fetch: () => new Response(x) };\n");
    wrangler.configure(&plain(json!({ "main": "slow.js", "no_bundle": true })));
    wrangler.bad("deploy", &["CPU", "10021"]);
    wrangler.write("idle.js", "export default {};\n");
    wrangler.configure(&plain(json!({ "main": "idle.js", "no_bundle": true })));
    wrangler.bad("deploy", &["10068"]);
    wrangler.write("consumer.js", "export default { queue() {} };\n");
    wrangler.configure(&plain(json!({ "main": "consumer.js", "no_bundle": true })));
    wrangler.bad("deploy", &["queue()", "10069"]);
    wrangler.write(
        "large.js",
        "const a = new Uint8Array(200 << 20).fill(1);\nexport default { fetch: () => new Response(a.length) };\n",
    );
    wrangler.configure(&plain(json!({ "main": "large.js", "no_bundle": true })));
    wrangler.bad("deploy", &["memory limit", "bytes are allowed", "10021"]);
    // What would be without effect is refused by its name.
    for (more, said) in [
        (json!({ "compatibility_flags": ["nodejs_combat"] }), "nodejs_combat"),
        (json!({ "compatibility_date": "2999-01-01" }), "in the future"),
        (json!({ "services": [{ "binding": "X", "service": "greeter", "environment": "staging" }] }), "staging"),
        (json!({ "observability": { "traces": { "enabled": true } } }), "observability.traces"),
    ] {
        wrangler.configure(&plain(more));
        wrangler.bad("deploy", &[said, "10021"]);
    }
    wrangler.configure(configuration);
}

/// A token with fewer permissions is refused by the name of the one that is missing.
pub fn permissions(wrangler: &mut Wrangler, configuration: &Value, service: &str, tunnel: &str) {
    let make = |permissions: &str| {
        let made = wrangler.edge.json(&["token", "create", "ci", "--permission", permissions]);
        made["value"].as_str().unwrap().to_owned()
    };
    let (scripts_only, wrong) = (make("workers-scripts.edit,account-settings.read"), "cvt_wrong".to_owned());
    let admin = std::mem::replace(&mut wrangler.token, scripts_only);
    let bound = |kind: &str, binding: Value| {
        let mut worker = json!({ "name": "bound", "main": "greeter.js", "compatibility_date": "2025-09-01" });
        worker[kind] = json!([binding]);
        worker
    };
    wrangler.configure(&bound("vpc_services", json!({ "binding": "API", "service_id": service })));
    wrangler.bad("deploy", &["Connectivity Directory Bind", "API"]);
    wrangler.configure(&bound("vpc_networks", json!({ "binding": "NET", "tunnel_id": tunnel })));
    wrangler.bad("deploy", &["Connectivity Directory Admin", "NET"]);
    wrangler.bad("vpc service list", &["Connectivity Directory Read"]);
    wrangler.bad("tunnel list", &[]);
    wrangler.configure(configuration);
    wrangler.good("versions list", &["v3"]);
    wrangler.token = wrong;
    for arguments in ["deploy", "vpc service list", "secret list", "versions list"] {
        wrangler.bad(arguments, &[]);
    }
    wrangler.token = admin;
}
