//! Joins the built-in modules (`js/*.js`) into one, so that an isolate instantiates one module instead of fifty, which saves each
//! isolate 200 KB of records, environments and import bindings.
//!
//! The files are ordinary modules (their tests and the type checker load them as such) that keep to what can be joined by lines: a statement
//! of import or export begins at the start of a line and ends with `;`, names are not changed on import, and no two files declare the
//! same name at the top (the engine refuses that when the joined module is compiled). They are joined in the order in which ECMAScript
//! evaluates them.
//!
//! What only `lazy.js` reaches goes into the functions there: each function gets the files of the imports before it, so that they are
//! compiled and run when it is called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Everything that is reached from here is joined.
const MAIN: &str = "main.js";
/// The functions that run further files when they are called.
const LAZY: &str = "lazy.js";
/// What Workers import as `cloudflare:…`: modules of their own, which get what they re-export from the joined one.
const FACADES: [&str; 2] = ["cloudflare_sockets.js", "cloudflare_workers.js"];

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("js");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut eager = BTreeSet::new();
    reach(&directory, MAIN, &mut eager)?;
    let mut joined =
        Joined { directory: &directory, eager, seen: BTreeSet::new(), lazy: BTreeMap::new(), text: String::new() };
    joined.add(MAIN)?;
    joined.check_names()?;
    for facade in FACADES {
        let mut forwarded = String::new();
        for statement in statements(&read(&directory, facade)?) {
            if let Statement::Module(text) = statement {
                let (names, from) = text.split_once(" from ").ok_or_else(|| refuse(facade, &text))?;
                let file = quoted(from).ok_or_else(|| refuse(facade, &text))?;
                if !joined.seen.contains(file) {
                    return Err(refuse(facade, &format!("{file} is not reached from {MAIN}")));
                }
                joined.text.push_str(&format!("{names};\n"));
                forwarded.push_str(&format!("{names} from \"./{MAIN}\";\n"));
            }
        }
        fs::write(out.join(facade), forwarded)?;
    }
    fs::write(out.join(MAIN), joined.text)?;
    fs::write(out.join("node_files.rs"), node_files()?)
}

/// The table of the modules of Node.js, which `node/build.mjs` leaves in `node/dist`; empty where it has not run.
fn node_files() -> io::Result<String> {
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("node/dist");
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut files = Vec::new();
    if directory.is_dir() {
        for entry in fs::read_dir(&directory)? {
            files.push(entry?.path());
        }
    } else {
        println!(
            "cargo::warning=the modules of Node.js are not built, Workers cannot import them: run `make node-modules`"
        );
    }
    files.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut table = String::from("pub(super) static FILES: &[(&str, &str)] = &[\n");
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "js")) {
        table.push_str(&format!("    ({:?}, include_str!({:?})),\n", name(path), path));
    }
    table.push_str("];\npub(super) static NAMES: &[&str] = &[\n");
    let names = directory.join("names.txt");
    for module in if names.is_file() { fs::read_to_string(names)? } else { String::new() }.lines() {
        table.push_str(&format!("    {module:?},\n"));
    }
    table.push_str("];\n");
    Ok(table)
}

/// Finds all files that a file imports, but for those that wait in `lazy.js`.
fn reach(directory: &Path, file: &str, files: &mut BTreeSet<String>) -> io::Result<()> {
    if !files.insert(file.to_owned()) || file == LAZY {
        return Ok(());
    }
    for statement in statements(&read(directory, file)?) {
        if let Statement::Module(text) = statement
            && text.starts_with("import ")
        {
            reach(directory, quoted(&text).ok_or_else(|| refuse(file, &text))?, files)?;
        }
    }
    Ok(())
}

/// The files joined so far.
struct Joined<'a> {
    directory: &'a Path,
    /// Those that run at once.
    eager: BTreeSet<String>,
    seen: BTreeSet<String>,
    /// The lazy function that each of the others runs in.
    lazy: BTreeMap<String, String>,
    text: String,
}

impl Joined<'_> {
    /// Adds a file after all that it imports.
    fn add(&mut self, file: &str) -> io::Result<()> {
        if !self.seen.insert(file.to_owned()) {
            return Ok(());
        }
        if file == LAZY {
            return self.add_lazy();
        }
        let source = read(self.directory, file)?;
        let mut body = format!("// === {file} ===\n");
        for statement in statements(&source) {
            match statement {
                Statement::Module(text) if text.starts_with("import ") => {
                    if text.contains(" as ") {
                        return Err(refuse(file, &text));
                    }
                    let imported = quoted(&text).ok_or_else(|| refuse(file, &text))?;
                    // What runs at once is outside of any lazy function, which a lazy file must not change.
                    if self.eager.contains(file) || !self.eager.contains(imported) {
                        self.add(imported)?;
                    }
                }
                // The ways in; what other files export is in scope anyway.
                Statement::Module(text) if file == MAIN && text.starts_with("export {") => body.push_str(&text),
                Statement::Module(text) if text.contains(" as ") || text.contains(" from ") => {
                    return Err(refuse(file, &text));
                }
                Statement::Module(_) => {}
                Statement::Line(line) => body.push_str(line.strip_prefix("export ").unwrap_or(line)),
            }
        }
        self.text.push_str(&body);
        Ok(())
    }
}

impl Joined<'_> {
    /// Adds the functions of `lazy.js`, with the files that they bring.
    fn add_lazy(&mut self) -> io::Result<()> {
        let mut imports = Vec::new();
        for statement in statements(&read(self.directory, LAZY)?) {
            match statement {
                Statement::Module(text) => {
                    imports.push(quoted(&text).ok_or_else(|| refuse(LAZY, &text))?.to_owned());
                }
                Statement::Line(line) => {
                    let Some(declaration) = line.strip_prefix("export const ") else {
                        self.text.push_str(line);
                        continue;
                    };
                    let (name, value) = declaration.split_once(" = () => ").ok_or_else(|| refuse(LAZY, line))?;
                    let outside = std::mem::take(&mut self.text);
                    for file in imports.drain(..) {
                        self.add_inside(&file, name)?;
                    }
                    let inside = std::mem::replace(&mut self.text, outside);
                    self.text.push_str(&format!("const {name} = () => {{\n{inside}return {value}}};\n"));
                }
            }
        }
        Ok(())
    }

    /// Adds a file to a lazy function, unless it runs at once.
    fn add_inside(&mut self, file: &str, function: &str) -> io::Result<()> {
        let mut files = BTreeSet::new();
        reach(self.directory, file, &mut files)?;
        for file in files.difference(&self.eager) {
            let owner = self.lazy.entry(file.clone()).or_insert_with(|| function.to_owned());
            if owner != function {
                let message = format!("js/{file}: is needed by {owner} and by {function}: import it from {MAIN} too");
                return Err(io::Error::other(message));
            }
        }
        if self.eager.contains(file) { Ok(()) } else { self.add(file) }
    }

    /// Refuses a name that two files declare: what is declared inside of a lazy function would hide the other one.
    fn check_names(&self) -> io::Result<()> {
        let mut names = BTreeSet::new();
        for line in self.text.lines() {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let kinds = ["function ", "class ", "const ", "let "];
            let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
            let word = |text: &str| {
                text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            let declared: Vec<String> = match rest.strip_prefix("{ ").and_then(|rest| rest.split_once('}')) {
                Some((parts, _)) => {
                    parts.split(',').map(|part| word(part.rsplit(':').next().unwrap_or(part).trim())).collect()
                }
                None => vec![word(rest)],
            };
            for name in declared.into_iter().filter(|name| !name.is_empty()) {
                if !names.insert(name.clone()) {
                    return Err(io::Error::other(format!("js: two files declare `{name}` at the top")));
                }
            }
        }
        Ok(())
    }
}

enum Statement<'a> {
    /// `import …;`, `export { … };` or `export default …;`, whole.
    Module(String),
    /// Any other line, with its end.
    Line(&'a str),
}

fn statements(source: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut open: Option<String> = None;
    for line in source.split_inclusive('\n') {
        let begins = ["import ", "export {", "export default "].iter().any(|start| line.starts_with(start));
        match open.take() {
            None if !begins => statements.push(Statement::Line(line)),
            earlier => {
                let text = earlier.unwrap_or_default() + line;
                if line.trim_end().ends_with(';') {
                    statements.push(Statement::Module(text));
                } else {
                    open = Some(text);
                }
            }
        }
    }
    statements
}

/// The file in `… "./file";`.
fn quoted(statement: &str) -> Option<&str> {
    statement.trim_end().strip_suffix("\";")?.rsplit_once("\"./").map(|(_, file)| file)
}

fn read(directory: &Path, file: &str) -> io::Result<String> {
    fs::read_to_string(directory.join(file)).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}

fn refuse(file: &str, statement: &str) -> io::Error {
    io::Error::other(format!("js/{file}: cannot be joined with the others: {}", statement.trim()))
}
