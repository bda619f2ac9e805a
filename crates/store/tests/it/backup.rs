//! Backups of SQLite files.

use std::os::unix::fs::PermissionsExt;

use store::{DATABASE_FILE, KEY_FILE, StoreError, backup};

use crate::fixture::{Place, by, open, publish, reopen, tunnel, version};

#[tokio::test]
async fn a_backup_opens_with_the_same_key() {
    let (place, store) = open().await;
    let made = tunnel(&store, "t").await;
    let secret = store.tunnel_secret(made.id).await.unwrap();
    let copy = Place::new().await;
    let file = copy.path().join(DATABASE_FILE);
    // The store is open, and goes on.
    backup(place.path(), &file).await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    tunnel(&store, "after").await;
    std::fs::copy(place.path().join(KEY_FILE), copy.path().join(KEY_FILE)).unwrap();
    let restored = reopen(&copy).await;
    assert_eq!(restored.account(), store.account());
    assert_eq!(restored.tunnel_secret(made.id).await.unwrap(), secret);
    assert_eq!(restored.snapshot().await.unwrap().tunnels.len(), 1);
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_is_whole_or_not_there() {
    let (place, store) = open().await;
    let file = place.path().join("copy");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(backup(place.path(), &file).await, Err(StoreError::DataDirectory { .. })));
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let error = backup(&place.path().join("nowhere"), &place.path().join("other")).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    store.close().await;
    std::fs::write(place.path().join(DATABASE_FILE), "this is no database").unwrap();
    assert!(backup(place.path(), &place.path().join("other")).await.is_err());
    assert!(!place.path().join("other").exists());
}

#[tokio::test]
async fn a_backup_under_writes_is_of_one_moment() {
    let (place, store) = open().await;
    let writing = tokio::spawn(async move {
        for number in 0..40 {
            store.publish(publish("w", version(&number.to_string(), Vec::new(), &[])), &by()).await.unwrap();
        }
    });
    let copies = Place::new().await;
    let mut count = 0;
    while !writing.is_finished() {
        backup(place.path(), &copies.path().join(format!("{count}"))).await.unwrap();
        count += 1;
    }
    writing.await.unwrap();
    for number in 0..count {
        let one = Place::new().await;
        std::fs::copy(place.path().join(KEY_FILE), one.path().join(KEY_FILE)).unwrap();
        std::fs::rename(copies.path().join(format!("{number}")), one.path().join(DATABASE_FILE)).unwrap();
        let restored = reopen(&one).await;
        let workers = restored.workers().await.unwrap();
        for worker in workers {
            let versions = restored.versions(&worker.name).await.unwrap();
            assert_eq!(versions.len(), restored.deployments(&worker.name, u32::MAX).await.unwrap().len());
        }
    }
}
