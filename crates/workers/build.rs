//! Lists the built-in modules (`js/*.js`) as a table of names and sources, so that a new file needs no other change.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("js");
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|name| name.ends_with(".js") && !name.starts_with("eslint.config")) {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push((name, path));
        }
    }
    files.sort();
    let mut table =
        String::from("/// Name and source of each built-in module.\npub(crate) static SOURCES: &[(&str, &str)] = &[\n");
    for (name, path) in files {
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string()).map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("builtins.rs"), table)
}
