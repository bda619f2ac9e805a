//! Several stores on one database: what one changes, the others see within a second, also after the server was gone.

use std::sync::Arc;
use std::time::Duration;

use store::{KEY_FILE, KeySource, Store, StoreError};

use crate::fixture::{Place, by, open, publish, service, tunnel, version};

/// A second edge: a directory of its own with the key of the first one.
async fn another(place: &Place) -> (Place, Store) {
    let second = place.another();
    std::fs::copy(place.path().join(KEY_FILE), second.path().join(KEY_FILE)).unwrap();
    let store = second.open().await;
    (second, store)
}

/// Waits for the next change that a store tells of.
async fn change(changes: &mut tokio::sync::watch::Receiver<u64>) {
    tokio::time::timeout(Duration::from_secs(30), changes.changed()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_change_on_one_edge_is_told_on_the_others() {
    let (place, first) = open().await;
    let (_second_place, second) = another(&place).await;
    assert_eq!(first.account(), second.account());
    let mut changes = second.changes();
    changes.mark_unchanged();
    let made = first.publish(publish("w", version("1", Vec::new(), &[("KEY", "hunter2")])), &by()).await.unwrap();
    change(&mut changes).await;
    let seen = second.snapshot().await.unwrap();
    assert_eq!(seen.generation, *changes.borrow());
    let served = seen.workers["w"].pick(0).unwrap();
    assert_eq!(served.version.id, made.version.id);
    assert_eq!(served.secrets["KEY"].expose_str(), Some("hunter2"));
    assert_eq!(second.modules(made.version.id).await.unwrap().len(), 2);
    // And back.
    let mut changes = first.changes();
    changes.mark_unchanged();
    let home = tunnel(&second, "t").await;
    change(&mut changes).await;
    assert!(first.snapshot().await.unwrap().tunnels.contains_key(&home.id));
}

#[tokio::test]
async fn an_edge_without_the_key_is_refused() {
    let (place, _first) = open().await;
    let second = place.another();
    let opened = Store::open(second.path(), &second.location(), &KeySource::DataDirectory).await;
    assert!(matches!(opened, Err(StoreError::KeyMissing { .. })), "{opened:?}");
}

#[tokio::test]
async fn edges_that_open_a_new_database_at_once_agree() {
    let place = Place::new().await;
    let key = "ab".repeat(32);
    let opened = (0..4).map(|_| {
        let one = place.another();
        let key = KeySource::Given(store::Secret::new(key.clone()));
        tokio::spawn(async move {
            let store = Store::open(one.path(), &one.location(), &key).await.unwrap();
            store.ensure_admin_token(one.path()).await.unwrap();
            let has_token = one.path().join(store::ADMIN_TOKEN_FILE).exists();
            (one, store, has_token)
        })
    });
    let mut stores = Vec::new();
    for task in opened.collect::<Vec<_>>() {
        stores.push(task.await.unwrap());
    }
    assert!(stores.iter().all(|(_, store, _)| store.account() == stores[0].1.account()));
    // One token, and a file with it where it was made: no other edge keeps a file with one that does not work.
    assert_eq!(stores[0].1.tokens().await.unwrap().len(), 1);
    assert_eq!(stores.iter().filter(|(_, _, has_token)| *has_token).count(), 1);
}

#[tokio::test]
async fn writers_on_several_edges_do_not_lose_each_others_changes() {
    let (place, first) = open().await;
    let (_second_place, second) = another(&place).await;
    let stores = [Arc::new(first), Arc::new(second)];
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move {
                let new = version(&format!("{}", number % 3), Vec::new(), &[]);
                store.publish(publish("w", new), &by()).await.unwrap().version.number
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let snapshots = [stores[0].snapshot().await.unwrap(), stores[1].snapshot().await.unwrap()];
    assert_eq!(snapshots[0].generation, snapshots[1].generation);
    assert_eq!(snapshots[0].workers["w"].deployment, snapshots[1].workers["w"].deployment);
}

#[tokio::test]
async fn lost_connections_are_made_again() {
    let (place, first) = open().await;
    let (_second_place, second) = another(&place).await;
    let home = tunnel(&first, "t").await;
    let mut changes = second.changes();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'culvert'";
    private_postgres::run(&place.url, cut.to_owned()).await;
    let made = first.create_service(service("s", home.id), &by()).await.unwrap();
    while !second.snapshot().await.unwrap().services.contains_key(&made.id) {
        change(&mut changes).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let place = Place::new().await;
    let location = "postgres://ops:hunter2@127.0.0.1:9/culvert".parse().unwrap();
    let error = Store::open(place.path(), &location, &KeySource::DataDirectory).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }));
    let told = error.to_string();
    assert!(told.contains("127.0.0.1:9") && !told.contains("hunter2"), "{told}");
}
