//! Lists the files that the dashboard was built into, so that the program carries them. Without them it is built all the
//! same, and says at `/` how to build them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let dashboard = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../dashboard");
    let root = dashboard.join("dist");
    let mut files = Vec::new();
    let built = root.join("index.html").is_file();
    if built {
        collect(&root, &mut files)?;
    }
    // A path that is not there counts as changed every time, so what is not built yet is watched for by its parent.
    println!("cargo::rerun-if-changed={}", if built { &root } else { &dashboard }.display());
    files.sort();
    let mut code = String::from("&[\n");
    for file in &files {
        let Ok(name) = file.strip_prefix(&root) else { continue };
        let name = name.to_string_lossy().replace('\\', "/");
        let path = file.canonicalize()?;
        let _ = writeln!(code, "    ({name:?}, include_bytes!({:?})),", path.to_string_lossy());
    }
    code.push(']');
    fs::write(Path::new(&variable("OUT_DIR")?).join("dashboard.rs"), code)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
