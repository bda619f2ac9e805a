//! Private material of the program itself, kept sealed under a name: the tunnel CA's key, for one. Also the check
//! value by which a wrong key is noticed when the store is opened and not when the first secret is needed.

use crate::Store;
use crate::database::{Database, now, query};
use crate::error::StoreError;
use crate::seal::{Sealer, Secret};

const KEY_CHECK: &str = "key-check";

fn place(name: &str) -> String {
    format!("materials/{name}")
}

/// True when something in this database was sealed before.
pub(crate) async fn has_key_check(database: &Database) -> Result<bool, StoreError> {
    let mut transaction = database.read().await?;
    let row = query("SELECT 1 FROM materials WHERE name = $1").bind(KEY_CHECK).fetch_optional(&mut transaction).await?;
    Ok(row.is_some())
}

/// Notes the key in a new store, and checks it in an old one.
pub(crate) async fn check_key(database: &Database, sealer: &Sealer) -> Result<(), StoreError> {
    let sealed = put_once(database, KEY_CHECK, &sealer.seal(&place(KEY_CHECK), b"culvert")?).await?;
    sealer.open(&place(KEY_CHECK), &sealed).map(drop).map_err(|_| StoreError::KeyWrong)
}

async fn put_once(database: &Database, name: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut transaction = database.write().await?;
    query("INSERT INTO materials (name, sealed, created_on) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(sealed)
        .bind(now())
        .execute(&mut transaction)
        .await?;
    let row = query("SELECT sealed FROM materials WHERE name = $1").bind(name).fetch_one(&mut transaction).await?;
    transaction.commit().await?;
    row.try_get("sealed")
}

impl Store {
    /// Reads material that was kept under `name`.
    pub async fn material(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let row = query("SELECT sealed FROM materials WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut self.database.read().await?)
            .await?;
        row.map(|row| self.sealer.open(&place(name), row.try_get("sealed")?)).transpose()
    }

    /// Keeps material under `name` unless there is some already, and returns what is kept. Two programs that make
    /// the same material at the same time thus end up with one.
    pub async fn material_or_insert(&self, name: &str, material: &Secret) -> Result<Secret, StoreError> {
        let sealed = self.sealer.seal(&place(name), material.expose())?;
        let kept = put_once(&self.database, name, &sealed).await?;
        self.sealer.open(&place(name), &kept)
    }
}
