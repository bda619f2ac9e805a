//! API tokens, and the administrator's token of a fresh store.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use store::{ADMIN_TOKEN_FILE, NewToken, Permission, StoreError, TokenCheck};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fixture::{by, open, reopen};

fn new(name: &str) -> NewToken {
    NewToken { name: name.to_owned(), permissions: vec![Permission::WorkersScriptsEdit], expires_on: None }
}

#[tokio::test]
async fn a_token_works_until_it_is_revoked() {
    let (directory, store) = open().await;
    let (token, text) = store.create_token(new("ci"), &by()).await.unwrap();
    let text = text.expose_str().unwrap();
    assert!(text.starts_with("cvt_") && text.len() == 47);
    let TokenCheck::Accepted(found) = store.check_token(text).await.unwrap() else {
        panic!("not accepted");
    };
    assert_eq!(found.id, token.id);
    assert!(found.allows(Permission::WorkersScriptsRead));
    assert!(!found.allows(Permission::TunnelRead));
    assert!(store.tokens().await.unwrap()[0].last_used_on.is_some());
    assert_eq!(store.check_token("cvt_x").await.unwrap(), TokenCheck::Unknown);
    assert_eq!(store.check_token("").await.unwrap(), TokenCheck::Unknown);

    store.revoke_token(token.id, &by()).await.unwrap();
    store.revoke_token(token.id, &by()).await.unwrap();
    drop(store);
    let store = reopen(&directory).await;
    assert!(matches!(store.check_token(text).await.unwrap(), TokenCheck::Revoked(_)));
    assert!(matches!(store.revoke_token(Uuid::new_v4(), &by()).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_token_expires() {
    let (_directory, store) = open().await;
    let soon = OffsetDateTime::now_utc() + Duration::from_millis(150);
    let (_, text) = store.create_token(NewToken { expires_on: Some(soon), ..new("short") }, &by()).await.unwrap();
    let text = text.expose_str().unwrap();
    // Until the wall clock says so, and not for a guessed time.
    while OffsetDateTime::now_utc() < soon {
        tokio::task::yield_now().await;
    }
    assert!(matches!(store.check_token(text).await.unwrap(), TokenCheck::Expired(_)));
    let past = NewToken { expires_on: Some(soon), ..new("past") };
    assert!(matches!(store.create_token(past, &by()).await, Err(StoreError::Invalid { field: "expires_on", .. })));
}

#[tokio::test]
async fn tokens_need_a_name_and_a_permission() {
    let (_directory, store) = open().await;
    for (token, wrong) in [
        (new(" "), "name"),
        (new(&"x".repeat(121)), "name"),
        (NewToken { permissions: Vec::new(), ..new("x") }, "permissions"),
    ] {
        let error = store.create_token(token, &by()).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { field, .. } if field == wrong), "{error}");
    }
}

#[tokio::test]
async fn the_administrators_token_is_made_once() {
    let (directory, store) = open().await;
    let path = directory.path().join(ADMIN_TOKEN_FILE);
    store.ensure_admin_token(directory.path()).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let TokenCheck::Accepted(token) = store.check_token(text.trim()).await.unwrap() else {
        panic!("not accepted");
    };
    assert!(Permission::ALL.iter().all(|permission| token.allows(*permission)));
    store.ensure_admin_token(directory.path()).await.unwrap();
    assert_eq!(store.tokens().await.unwrap().len(), 1);

    // Revoked, it does not come back.
    let another = NewToken { permissions: Permission::ALL.to_vec(), ..new("another") };
    store.create_token(another, &by()).await.unwrap();
    store.revoke_token(token.id, &by()).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    store.ensure_admin_token(directory.path()).await.unwrap();
    assert!(!path.exists());
    assert_eq!(store.tokens().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_start_cut_between_file_and_database_is_taken_up() {
    let (directory, store) = open().await;
    let text = format!("cvt_{}", "a".repeat(43));
    std::fs::write(directory.path().join(ADMIN_TOKEN_FILE), format!("{text}\n")).unwrap();
    store.ensure_admin_token(directory.path()).await.unwrap();
    assert!(matches!(store.check_token(&text).await.unwrap(), TokenCheck::Accepted(_)));
}

#[tokio::test]
async fn an_admin_token_file_with_something_else_in_it_is_not_trusted() {
    let (directory, store) = open().await;
    std::fs::write(directory.path().join(ADMIN_TOKEN_FILE), "cvt_short\n").unwrap();
    assert!(store.ensure_admin_token(directory.path()).await.is_err());
    assert!(store.tokens().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_is_changed_and_its_secret_half_replaced() {
    let (_directory, store) = open().await;
    let (token, text) = store.create_token(new("ci"), &by()).await.unwrap();
    let later = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    let wanted =
        NewToken { name: " cd ".to_owned(), permissions: vec![Permission::TunnelRead], expires_on: Some(later) };
    let changed = store.update_token(token.id, wanted.clone(), &by()).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.expires_on), ("cd", Some(later)));
    assert_eq!(store.token(token.id).await.unwrap().permissions, [Permission::TunnelRead]);
    let accepted = async |text: &str| match store.check_token(text).await.unwrap() {
        TokenCheck::Accepted(found) => found.permissions,
        refused => panic!("{refused:?}"),
    };
    assert_eq!(accepted(text.expose_str().unwrap()).await, [Permission::TunnelRead]);
    let rolled = store.roll_token(token.id, &by()).await.unwrap();
    assert_eq!(store.check_token(text.expose_str().unwrap()).await.unwrap(), TokenCheck::Unknown);
    assert_eq!(accepted(rolled.expose_str().unwrap()).await, [Permission::TunnelRead]);
    let wrong = NewToken { permissions: Vec::new(), ..wanted.clone() };
    assert!(matches!(store.update_token(token.id, wrong, &by()).await, Err(StoreError::Invalid { .. })));
    store.revoke_token(token.id, &by()).await.unwrap();
    assert!(matches!(store.token(token.id).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.update_token(token.id, wanted, &by()).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.roll_token(token.id, &by()).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn the_last_token_that_may_do_everything_stays() {
    let (_directory, store) = open().await;
    let everything = |name: &str| NewToken { permissions: Permission::ALL.to_vec(), ..new(name) };
    let (first, text) = store.create_token(everything("first"), &by()).await.unwrap();
    let soon = OffsetDateTime::now_utc() + Duration::from_secs(3600);
    store.create_token(NewToken { expires_on: Some(soon), ..everything("ends") }, &by()).await.unwrap();
    store.create_token(new("less"), &by()).await.unwrap();
    let is_last = |result: Result<(), StoreError>| matches!(result, Err(StoreError::LastAdministrator { .. }));
    let ending = NewToken { expires_on: Some(soon), ..everything("first") };
    for changed in [new("first"), ending] {
        assert!(is_last(store.update_token(first.id, changed, &by()).await.map(drop)));
    }
    assert!(is_last(store.revoke_token(first.id, &by()).await));
    store.update_token(first.id, everything("renamed"), &by()).await.unwrap();
    assert!(matches!(store.check_token(text.expose_str().unwrap()).await.unwrap(), TokenCheck::Accepted(_)));
    let (second, _) = store.create_token(everything("second"), &by()).await.unwrap();
    store.revoke_token(first.id, &by()).await.unwrap();
    assert!(is_last(store.revoke_token(second.id, &by()).await));
}
