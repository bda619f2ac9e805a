//! Opening: keys, accounts, material, permissions of files, generations.

use std::os::unix::fs::PermissionsExt;

use store::{KEY_FILE, KeySource, Secret, Store, StoreError};

use crate::engine;
use crate::fixture::{Place, by, open, reopen, service, tunnel};

#[tokio::test]
async fn a_fresh_store_has_one_account_that_stays() {
    let (directory, store) = open().await;
    let account = store.account().clone();
    assert_eq!(account.slug, "local");
    assert_eq!(account.id.as_str().len(), 32);
    assert!(account.is_named("local") && account.is_named(account.id.as_str()));
    assert!(!account.is_named("other"));
    store.close().await;
    assert_eq!(*reopen(&directory).await.account(), account);
}

#[tokio::test]
async fn another_key_is_noticed_when_the_store_is_opened() {
    let (directory, store) = open().await;
    store.close().await;
    let other = KeySource::Given(Secret::new("ab".repeat(32)));
    assert!(matches!(Store::open(directory.path(), &directory.location(), &other).await, Err(StoreError::KeyWrong)));
    std::fs::remove_file(directory.path().join(KEY_FILE)).unwrap();
    assert!(matches!(
        Store::open(directory.path(), &directory.location(), &KeySource::DataDirectory).await,
        Err(StoreError::KeyMissing { .. })
    ));
    assert!(!directory.path().join(KEY_FILE).exists());
}

#[tokio::test]
async fn a_key_can_be_given_in_place_of_a_file() {
    let directory = Place::new().await;
    let key = KeySource::Given(Secret::new("ab".repeat(32)));
    let store = Store::open(directory.path(), &directory.location(), &key).await.unwrap();
    let made = tunnel(&store, "t").await;
    let secret = store.tunnel_secret(made.id).await.unwrap();
    store.close().await;
    let store = Store::open(directory.path(), &directory.location(), &key).await.unwrap();
    assert_eq!(store.tunnel_secret(made.id).await.unwrap(), secret);
    assert!(!directory.path().join(KEY_FILE).exists());
}

#[tokio::test]
async fn a_key_file_can_be_named() {
    let directory = Place::new().await;
    let path = directory.path().join("key of another place");
    let key = KeySource::File(path.clone());
    let open = || async { Store::open(directory.path(), &directory.location(), &key).await };
    assert!(matches!(open().await, Err(StoreError::KeyNotMade { .. })));
    std::fs::write(&path, format!("{}\n", "cd".repeat(32))).unwrap();
    let store = open().await.unwrap();
    let made = tunnel(&store, "t").await;
    let secret = store.tunnel_secret(made.id).await.unwrap();
    store.close().await;
    std::fs::write(&path, "cd").unwrap();
    assert!(matches!(open().await, Err(StoreError::KeyMalformed { .. })));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(open().await, Err(StoreError::KeyMissing { .. })));
    std::fs::write(&path, "cd".repeat(32)).unwrap();
    assert_eq!(open().await.unwrap().tunnel_secret(made.id).await.unwrap(), secret);
    assert!(!directory.path().join(KEY_FILE).exists());
}

#[tokio::test]
async fn files_are_private_and_secrets_are_not_in_them() {
    let place = Place::new().await;
    let path = place.path().join("data");
    let store = Store::open(&path, &place.location(), &KeySource::DataDirectory).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let needle = "a-needle-in-the-haystack-0123456789";
    store.material_or_insert("ca-key", &Secret::new(needle)).await.unwrap();
    store.create_tunnel("t", store::ConfigSource::Local, Some(Secret::new(needle)), &by()).await.unwrap();
    store
        .publish(crate::fixture::publish("w", crate::fixture::version("x", Vec::new(), &[("K", needle)])), &by())
        .await
        .unwrap();
    store.ensure_admin_token(&path).await.unwrap();
    let token = std::fs::read_to_string(path.join(store::ADMIN_TOKEN_FILE)).unwrap();
    store.close().await;
    let kept = engine::everything(&place.url, &path).await;
    for secret in [needle, token.trim()] {
        let digits = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        for form in [secret, digits.as_str()] {
            assert!(!kept.iter().any(|bytes| bytes.windows(form.len()).any(|w| w == form.as_bytes())));
        }
    }
    // It is what was kept, though: the names are there.
    assert!(kept.iter().any(|bytes| bytes.windows(6).any(|w| w == b"ca-key")));
}

#[tokio::test]
async fn material_is_kept_once() {
    let (directory, store) = open().await;
    assert_eq!(store.material("ca-key").await.unwrap(), None);
    let first = Secret::new("first");
    assert_eq!(store.material_or_insert("ca-key", &first).await.unwrap(), first);
    let second = store.material_or_insert("ca-key", &Secret::new("second")).await.unwrap();
    assert_eq!(second, first);
    drop(store);
    let store = reopen(&directory).await;
    assert_eq!(store.material("ca-key").await.unwrap(), Some(first));
}

#[tokio::test]
async fn changes_raise_the_generation_that_a_snapshot_shows() {
    let (directory, store) = open().await;
    let mut changes = store.changes();
    let before = store.snapshot().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &store.snapshot().await.unwrap()));
    changes.mark_unchanged();
    let made = tunnel(&store, "t").await;
    assert!(changes.has_changed().unwrap());
    let after = store.snapshot().await.unwrap();
    assert!(after.generation > before.generation);
    assert_eq!(*changes.borrow_and_update(), after.generation);
    assert!(after.tunnels.contains_key(&made.id) && !before.tunnels.contains_key(&made.id));

    // A second process on the same file sees it too, and its own changes are seen here.
    let other = reopen(&directory).await;
    let theirs = other.create_service(service("s", made.id), &by()).await.unwrap();
    let seen = store.snapshot().await.unwrap();
    assert!(seen.services.contains_key(&theirs.id));
    assert!(seen.generation > after.generation);

    // A refused change leaves no trace.
    assert!(other.create_service(service("s", made.id), &by()).await.is_err());
    assert_eq!(store.snapshot().await.unwrap().generation, seen.generation);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = Place::new().await;
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Store::open(&file.join("data"), &directory.location(), &KeySource::DataDirectory).await.unwrap_err();
    assert!(matches!(error, StoreError::DataDirectory { .. }));
    assert!(error.to_string().contains("file/data"), "{error}");
}
