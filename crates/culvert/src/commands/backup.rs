//! `culvert backup`: a copy of the database of an edge, which may be running.

use store::{DATABASE_FILE, KEY_FILE};

use crate::cli::Backup;
use crate::failure::Failure;
use crate::output::say;

/// Makes the copy.
pub async fn run(arguments: Backup) -> Result<(), Failure> {
    let Backup { to, data_dir } = arguments;
    if !data_dir.join(DATABASE_FILE).exists() {
        return Err(Failure::failed(format!(
            "{} holds no {DATABASE_FILE}; what an edge keeps in PostgreSQL is backed up with pg_dump",
            data_dir.display()
        )));
    }
    store::backup(&data_dir, &to).await.map_err(|error| Failure::failed(format!("no backup was made: {error}")))?;
    say!("Copied the configuration to {}", to.display());
    let key = data_dir.join(KEY_FILE);
    if key.exists() {
        say!("Its secrets open only with {}: keep a copy of that too, in another place", key.display());
    }
    Ok(())
}
