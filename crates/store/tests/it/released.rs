//! Databases that released versions wrote are brought to this version, with everything that is in them.
//!
//! `tests/released` has one of each release and engine. A release adds its own: it is what [`fill`] makes, written by the
//! ignored test below (see CONTRIBUTING.md).

use serde_json::json;
use store::{KeySource, NewToken, Permission, Secret, Store, TokenCheck};
use time::OffsetDateTime;

use crate::engine;
use crate::fixture::{Place, by, modules, publish, service, tunnel, version};

fn key() -> KeySource {
    KeySource::Given(Secret::new("c1".repeat(32)))
}

/// Puts something into every table.
async fn fill(store: &Store) {
    let home = tunnel(store, "warehouse").await;
    let gone = tunnel(store, "gone").await;
    store.delete_tunnel(gone.id, store::Force::No, &by()).await.unwrap();
    let private = store
        .create_certificate("me", store::CertificateKind::Client, "PEM", Some(Secret::new("PRIVATE KEY")), &by())
        .await
        .unwrap();
    let mut inventory = service("inventory", home.id);
    inventory.tls = Some(store::TlsSettings { client_certificate: Some(private.id), ..store::TlsSettings::default() });
    let inventory = store.create_service(inventory, &by()).await.unwrap();
    let binding = json!({ "name": "API", "type": "vpc_service", "service_id": inventory.id });
    let bindings = vec![serde_json::from_value(binding).unwrap()];
    store.publish(publish("shop", version("1", bindings.clone(), &[("KEY", "hunter2")])), &by()).await.unwrap();
    store.publish(publish("shop", version("2", bindings, &[("KEY", "hunter3")])), &by()).await.unwrap();
    store.set_routes("shop", vec![("shop.example.test/*".to_owned(), None)], &by()).await.unwrap();
    let domains = vec!["www.example.test".to_owned()];
    store.set_domains("shop", domains, store::Force::No, &by()).await.unwrap();
    store.set_schedules("shop", vec!["*/5 * * * *".to_owned()], &by()).await.unwrap();
    let ci = NewToken { name: "ci".to_owned(), permissions: vec![Permission::TunnelRead], expires_on: None };
    store.create_token(ci, &by()).await.unwrap();
    store.material_or_insert("tunnel-ca", &Secret::new("CA KEY")).await.unwrap();
}

#[tokio::test]
async fn databases_of_released_versions_are_taken_over() {
    for (release, database) in engine::RELEASED {
        println!("{release}");
        let place = Place::new().await;
        engine::put_in_place(&place.url, place.path(), database).await;
        let store = Store::open(place.path(), &place.location(), &key()).await.unwrap();
        let snapshot = store.snapshot().await.unwrap();
        let shop = &snapshot.workers["shop"];
        let served = shop.pick(0).unwrap();
        assert_eq!(served.version.number, 2);
        assert_eq!(served.secrets["KEY"], Secret::new("hunter3"));
        let service = served.version.binding("API").unwrap().kind.service_id().unwrap();
        assert_eq!(snapshot.services[&service].spec.name, "inventory");
        assert_eq!(store.modules(served.version.id).await.unwrap(), modules("2"));
        assert_eq!(shop.triggers.routes[0].pattern, "shop.example.test/*");
        assert_eq!(shop.triggers.domains[0].hostname, "www.example.test");
        assert_eq!(shop.triggers.schedules[0].cron, "*/5 * * * *");
        let tunnel = snapshot.tunnels.values().next().unwrap();
        assert_eq!((tunnel.tunnel.name.as_str(), tunnel.secret.expose().len()), ("warehouse", 32));
        let certificate = snapshot.certificates.values().next().unwrap();
        assert_eq!(certificate.key, Some(Secret::new("PRIVATE KEY")));
        assert_eq!(store.tokens().await.unwrap()[0].name, "ci");
        assert!(matches!(store.check_token("cvt_x").await.unwrap(), TokenCheck::Unknown));
        assert_eq!(store.material("tunnel-ca").await.unwrap(), Some(Secret::new("CA KEY")));
        let audit = store.audit(&store::AuditQuery { limit: 100, ..store::AuditQuery::default() }).await.unwrap();
        assert!(audit.len() > 10 && audit.iter().all(|entry| entry.at < OffsetDateTime::now_utc()));
        // And it is written to.
        store.publish(publish("shop", version("3", Vec::new(), &[])), &by()).await.unwrap();
        assert_eq!(store.latest_version("shop").await.unwrap().unwrap().number, 3);
    }
}

/// Writes what the next release is to be tested with to the place that `KEEP_RELEASE` names: a directory for SQLite, the
/// URL of an empty database for PostgreSQL.
#[tokio::test]
#[ignore = "a step of a release"]
async fn keep() {
    let place = std::env::var("KEEP_RELEASE").unwrap();
    let (directory, url) =
        if place.contains(':') { (std::env::temp_dir(), place) } else { (place.into(), "sqlite:".to_owned()) };
    let store = Store::open(&directory, &url.parse().unwrap(), &key()).await.unwrap();
    fill(&store).await;
    store.close().await;
}
