//! The engine under test: SQLite.

use std::path::Path;

/// The URL of a new database.
pub async fn database() -> String {
    "sqlite:".to_owned()
}

/// Every byte that the engine keeps.
pub async fn everything(_url: &str, directory: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_str().unwrap().contains(".db")).map(|path| std::fs::read(path).unwrap()).collect()
}

/// The databases that released versions wrote.
pub const RELEASED: &[(&str, &[u8])] = &[("0.1.0", include_bytes!("../released/0.1.0.db"))];

/// Puts such a database in place of a new one.
pub async fn put_in_place(_url: &str, directory: &Path, database: &[u8]) {
    std::fs::write(directory.join(store::DATABASE_FILE), database).unwrap();
}
