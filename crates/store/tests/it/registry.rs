//! Tunnels, VPC Services, certificates, and the audit log.

use serde_json::json;
use store::{
    AuditQuery, CertificateKind, ConfigSource, Force, MAX_SERVICES, NetworkDestination, NetworkRouteChange, Secret,
    StoreError, Thing, TlsSettings, TunnelQuery,
};
use uuid::Uuid;

use crate::fixture::{by, open, publish, service, tunnel, version};

#[tokio::test]
async fn tunnel_names_are_unique_until_they_are_deleted() {
    let (_directory, store) = open().await;
    let first = tunnel(&store, "t").await;
    let again = store.create_tunnel("t", ConfigSource::Local, None, &by()).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { thing: Thing::Tunnel, .. })));
    let gone = store.delete_tunnel(first.id, Force::No, &by()).await.unwrap();
    assert!(gone.deleted_on.is_some());
    let second = tunnel(&store, "t").await;
    assert_ne!(first.id, second.id);

    let list = |name: Option<&str>, deleted| {
        let query = TunnelQuery { name: name.map(str::to_owned), deleted };
        let store = &store;
        async move { store.tunnels(&query).await.unwrap().len() }
    };
    assert_eq!(list(None, None).await, 2);
    assert_eq!(list(Some("t"), Some(false)).await, 1);
    assert_eq!(list(None, Some(true)).await, 1);
    assert_eq!(list(Some("x"), None).await, 0);
    assert!(store.tunnel(first.id).await.unwrap().deleted_on.is_some());
    assert!(store.tunnel_secret(first.id).await.is_err());
    assert!(store.delete_tunnel(first.id, Force::No, &by()).await.is_err());
    assert!(!store.snapshot().await.unwrap().tunnels.contains_key(&first.id));
}

#[tokio::test]
async fn tunnel_secrets_are_drawn_given_and_rotated() {
    let (_directory, store) = open().await;
    let made = tunnel(&store, "t").await;
    let drawn = store.tunnel_secret(made.id).await.unwrap();
    assert_eq!(drawn.expose().len(), 32);
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.tunnels[&made.id].secret, drawn);

    let given = Secret::new(vec![7; 40]);
    store.update_tunnel(made.id, Some("renamed"), Some(given.clone()), &by()).await.unwrap();
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.tunnels[&made.id].secret, given);
    assert_eq!(snapshot.tunnels[&made.id].tunnel.name, "renamed");

    for wrong in [31, 257] {
        let short = Some(Secret::new(vec![7; wrong]));
        assert!(matches!(
            store.create_tunnel("x", ConfigSource::Local, short, &by()).await,
            Err(StoreError::Invalid { field: "tunnel_secret", .. })
        ));
    }
    assert!(matches!(
        store.create_tunnel("", ConfigSource::Local, None, &by()).await,
        Err(StoreError::Invalid { field: "name", .. })
    ));
}

#[tokio::test]
async fn services_are_made_replaced_and_deleted() {
    let (_directory, store) = open().await;
    let home = tunnel(&store, "t").await;
    let made = store.create_service(service("api", home.id), &by()).await.unwrap();
    assert_eq!(store.service(made.id).await.unwrap(), made);
    assert!(matches!(
        store.create_service(service("api", home.id), &by()).await,
        Err(StoreError::AlreadyExists { thing: Thing::Service, .. })
    ));
    assert!(matches!(
        store.create_service(service("b", Uuid::new_v4()), &by()).await,
        Err(StoreError::NotFound { thing: Thing::Tunnel, .. })
    ));
    let changed = store.replace_service(made.id, service("renamed", home.id), &by()).await.unwrap();
    assert_eq!(changed.created_on, made.created_on);
    assert!(changed.modified_on >= made.modified_on);
    assert_eq!(store.services().await.unwrap(), [changed]);

    // The tunnel stays while it is used, unless that is overridden.
    let error = store.delete_tunnel(home.id, Force::No, &by()).await.unwrap_err();
    assert!(error.to_string().contains("VPC Service \"renamed\""), "{error}");
    store.delete_tunnel(home.id, Force::Yes, &by()).await.unwrap();
    assert!(matches!(
        store.replace_service(made.id, service("x", home.id), &by()).await,
        Err(StoreError::NotFound { thing: Thing::Tunnel, .. })
    ));
    store.delete_service(made.id, Force::No, &by()).await.unwrap();
    assert!(matches!(
        store.delete_service(made.id, Force::No, &by()).await,
        Err(StoreError::NotFound { thing: Thing::Service, .. })
    ));
}

#[tokio::test]
async fn a_service_stays_while_a_deployed_worker_binds_it() {
    let (_directory, store) = open().await;
    let home = tunnel(&store, "t").await;
    let made = store.create_service(service("api", home.id), &by()).await.unwrap();
    let binding =
        serde_json::from_value(json!({ "name": "API", "type": "vpc_service", "service_id": made.id })).unwrap();
    store.publish(publish("w", version("1", vec![binding], &[])), &by()).await.unwrap();
    let error = store.delete_service(made.id, Force::No, &by()).await.unwrap_err();
    assert!(error.to_string().contains("Worker \"w\""), "{error}");
    // A deployment without the binding sets it free, though an old version still names it.
    store.publish(publish("w", version("2", Vec::new(), &[])), &by()).await.unwrap();
    store.delete_service(made.id, Force::No, &by()).await.unwrap();
}

#[tokio::test]
async fn an_account_has_a_thousand_services() {
    let (_directory, store) = open().await;
    let home = tunnel(&store, "t").await;
    for number in 0..MAX_SERVICES {
        store.create_service(service(&format!("s{number}"), home.id), &by()).await.unwrap();
    }
    assert!(matches!(
        store.create_service(service("one-more", home.id), &by()).await,
        Err(StoreError::QuotaExceeded { limit: 1_000, .. })
    ));
    assert_eq!(store.snapshot().await.unwrap().services.len(), 1_000);
}

#[tokio::test]
async fn certificates_are_kept_for_those_who_refer_to_them() {
    let (_directory, store) = open().await;
    let home = tunnel(&store, "t").await;
    let authority = store.create_certificate("ca", CertificateKind::Authority, "PEM", None, &by()).await.unwrap();
    let key = Secret::new("KEY");
    let client =
        store.create_certificate("me", CertificateKind::Client, "PEM", Some(key.clone()), &by()).await.unwrap();
    assert!(store.create_certificate("x", CertificateKind::Client, "PEM", None, &by()).await.is_err());
    let mut spec = service("api", home.id);
    spec.tls = Some(TlsSettings { certificate_authority: Some(client.id), ..TlsSettings::default() });
    // A client certificate is no authority.
    assert!(matches!(
        store.create_service(spec.clone(), &by()).await,
        Err(StoreError::NotFound { thing: Thing::Certificate, .. })
    ));
    spec.tls = Some(TlsSettings {
        certificate_authority: Some(authority.id),
        client_certificate: Some(client.id),
        ..TlsSettings::default()
    });
    let made = store.create_service(spec, &by()).await.unwrap();
    let error = store.delete_certificate(client.id, &by()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.certificates[&client.id].key, Some(key));
    assert_eq!(snapshot.certificates[&authority.id].key, None);
    store.delete_service(made.id, Force::No, &by()).await.unwrap();
    store.delete_certificate(client.id, &by()).await.unwrap();
    assert_eq!(store.certificates().await.unwrap(), [authority]);
}

#[tokio::test]
async fn a_network_route_changes_by_the_field() {
    let (_directory, store) = open().await;
    let (home, other) = (tunnel(&store, "home").await, tunnel(&store, "other").await);
    let range = |text: &str| NetworkDestination::Addresses(text.parse().unwrap());
    let make = async |text: &str| store.create_network_route(home.id, range(text), "c", &by()).await.unwrap();
    let (made, taken) = (make("10.1.0.0/16").await, make("10.2.0.0/16").await);
    let change = async |change| store.update_network_route(made.id, change, &by()).await;
    let same = change(NetworkRouteChange::default()).await.unwrap();
    assert_eq!(same, made);
    let commented = change(NetworkRouteChange { comment: Some(String::new()), ..Default::default() }).await.unwrap();
    assert_eq!((commented.comment.as_str(), commented.tunnel_id), ("", home.id));
    let name = NetworkDestination::Hostname("db.internal".to_owned());
    let wanted = NetworkRouteChange { tunnel_id: Some(other.id), destination: Some(name), comment: None };
    let moved = change(wanted).await.unwrap();
    assert_eq!(store.network_routes().await.unwrap(), [moved, taken.clone()]);
    let wrong = change(NetworkRouteChange { destination: Some(taken.destination), ..Default::default() }).await;
    assert!(matches!(wrong, Err(StoreError::AlreadyExists { .. })), "{wrong:?}");
    let wrong = change(NetworkRouteChange { tunnel_id: Some(Uuid::nil()), ..Default::default() }).await;
    assert!(matches!(wrong, Err(StoreError::NotFound { thing: Thing::Tunnel, .. })), "{wrong:?}");
    let wrong = store.update_network_route(Uuid::nil(), NetworkRouteChange::default(), &by()).await;
    assert!(matches!(wrong, Err(StoreError::NotFound { thing: Thing::NetworkRoute, .. })), "{wrong:?}");
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_and_no_secret_is() {
    let (_directory, store) = open().await;
    let home = tunnel(&store, "t").await;
    let made = store.create_service(service("api", home.id), &by()).await.unwrap();
    store.replace_service(made.id, service("api2", home.id), &by()).await.unwrap();
    store.publish(publish("w", version("1", Vec::new(), &[("KEY", "hunter2")])), &by()).await.unwrap();
    let all = store.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap();
    let told: Vec<String> = all.iter().rev().map(|entry| format!("{} {}", entry.action, entry.resource)).collect();
    assert_eq!(
        told,
        ["create tunnel", "create service", "update service", "create secret", "create version", "deploy worker"]
    );
    let update = &all[3];
    assert_eq!(update.actor, by());
    assert_eq!(update.before.as_ref().unwrap()["name"], "api");
    assert_eq!(update.after.as_ref().unwrap()["name"], "api2");
    assert!(!format!("{all:?}").contains("hunter2"));

    let page = store
        .audit(&AuditQuery { limit: 1, before: Some(update.number), resource: Some("service".to_owned()) })
        .await
        .unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].action, "create");
}
