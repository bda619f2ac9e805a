//! Compiles the two Cap'n Proto schemas in `schema/` with the system's `capnp` (Debian package `capnproto`).

fn main() {
    println!("cargo::rerun-if-changed=schema");
    let compiled = capnpc::CompilerCommand::new()
        .src_prefix("schema")
        .file("schema/tunnel_rpc.capnp")
        .file("schema/data_stream.capnp")
        .run();
    if let Err(error) = compiled {
        eprintln!("the Cap'n Proto schemas do not compile (is the package `capnproto` installed?): {error}");
        std::process::exit(1);
    }
}
