//! Workers: versions, deployments, secrets, settings, triggers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use store::{
    Base, Code, DeploymentDetail, Force, IfAbsent, Percentage, Publish, Secret, SettingsPatch, Share, StoreError, Thing,
};
use uuid::Uuid;

use crate::fixture::{by, modules, open, publish, reopen, version};

fn share(version_id: Uuid, percent: f64) -> Share {
    Share { version_id, percentage: Percentage::from_percent(percent).unwrap() }
}

#[tokio::test]
async fn a_published_worker_is_read_back_as_it_was() {
    let (directory, store) = open().await;
    let new = version("export default {}", Vec::new(), &[("KEY", "hunter2")]);
    let detail = new.detail.clone();
    let published = store.publish(publish("w", new), &by()).await.unwrap();
    assert!(published.created);
    assert_eq!(published.version.number, 1);
    drop(store);
    let store = reopen(&directory).await;
    let id = published.version.id;
    assert_eq!(store.version("w", id).await.unwrap().detail, detail);
    assert_eq!(store.modules(id).await.unwrap(), modules("export default {}"));
    assert_eq!(store.version_secrets(id).await.unwrap(), BTreeMap::from([("KEY".to_owned(), Secret::new("hunter2"))]));
    let snapshot = store.snapshot().await.unwrap();
    let served = snapshot.workers["w"].pick(0).unwrap();
    assert_eq!(served.version.id, id);
    assert_eq!(served.secrets["KEY"], Secret::new("hunter2"));
    assert!(snapshot.workers["w"].worker.settings.subdomain_enabled);
}

#[tokio::test]
async fn versions_without_deployment_take_no_traffic() {
    let (_directory, store) = open().await;
    let first = store.publish(publish("w", version("1", Vec::new(), &[])), &by()).await.unwrap();
    let later = Publish { deploy: None, ..publish("w", version("2", Vec::new(), &[])) };
    let second = store.publish(later, &by()).await.unwrap();
    assert!(!second.created && second.deployment.is_none());
    assert_eq!(store.latest_version("w").await.unwrap().unwrap().id, second.version.id);
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.workers["w"].pick(5_000).unwrap().version.id, first.version.id);

    let split = vec![share(first.version.id, 25.0), share(second.version.id, 75.0)];
    store.deploy("w", split, DeploymentDetail::default(), &by()).await.unwrap();
    let after = store.snapshot().await.unwrap();
    let worker = &after.workers["w"];
    let to_second = (0..10_000).filter(|point| worker.pick(*point).unwrap().version.id == second.version.id).count();
    assert_eq!(to_second, 7_500);
    // What was known already is the same object.
    assert!(Arc::ptr_eq(&snapshot.workers["w"].versions[&first.version.id], &worker.versions[&first.version.id]));
    let list = store.deployments("w", 10).await.unwrap();
    assert_eq!(list.iter().map(|d| d.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(list[0].shares[0].version_id, second.version.id);
}

#[tokio::test]
async fn a_deployment_names_versions_of_its_own_worker() {
    let (_directory, store) = open().await;
    store.publish(publish("a", version("1", Vec::new(), &[])), &by()).await.unwrap();
    let other = store.publish(publish("b", version("1", Vec::new(), &[])), &by()).await.unwrap();
    let result = store.deploy("a", vec![share(other.version.id, 100.0)], DeploymentDetail::default(), &by()).await;
    assert!(matches!(result, Err(StoreError::NotFound { thing: Thing::Version, .. })));
    let result = store.deploy("nobody", vec![share(other.version.id, 100.0)], DeploymentDetail::default(), &by()).await;
    assert!(matches!(result, Err(StoreError::NotFound { thing: Thing::Worker, .. })));
    let result = store.deploy("b", vec![share(other.version.id, 99.0)], DeploymentDetail::default(), &by()).await;
    assert!(matches!(result, Err(StoreError::Invalid { .. })));
    assert_eq!(store.deployments("a", 10).await.unwrap().len(), 1);
    assert!(store.version("a", other.version.id).await.is_err());
}

#[tokio::test]
async fn a_version_that_rests_on_an_old_one_is_refused() {
    let (_directory, store) = open().await;
    store.publish(publish("w", version("1", Vec::new(), &[])), &by()).await.unwrap();
    let based = |base| Publish { base, ..publish("w", version("2", Vec::new(), &[])) };
    for stale in [Base::Latest(None), Base::Latest(Some(2))] {
        assert!(matches!(store.publish(based(stale), &by()).await, Err(StoreError::ConcurrentChange { .. })));
    }
    let made = store.publish(based(Base::Latest(Some(1))), &by()).await.unwrap();
    assert_eq!(made.version.number, 2);
}

#[tokio::test]
async fn simultaneous_publications_get_numbers_of_their_own() {
    let (_directory, store) = open().await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
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
}

#[tokio::test]
async fn code_is_shared_and_goes_with_its_last_version() {
    let (_directory, store) = open().await;
    let first = store.publish(publish("a", version("same", Vec::new(), &[])), &by()).await.unwrap();
    let same = Publish {
        version: store::NewVersion { code: Code::SameAs(first.version.etag.clone()), ..version("", Vec::new(), &[]) },
        ..publish("b", version("", Vec::new(), &[]))
    };
    let second = store.publish(same, &by()).await.unwrap();
    assert_eq!(second.version.etag, first.version.etag);
    store.delete_worker("a", Force::No, &by()).await.unwrap();
    assert!(store.modules(first.version.id).await.is_err());
    assert_eq!(store.modules(second.version.id).await.unwrap(), modules("same"));
    store.delete_worker("b", Force::No, &by()).await.unwrap();
    // The code is gone: a version cannot be made from it any more.
    let stale = Publish {
        version: store::NewVersion { code: Code::SameAs(first.version.etag), ..version("", Vec::new(), &[]) },
        ..publish("c", version("", Vec::new(), &[]))
    };
    assert!(store.publish(stale, &by()).await.is_err());
    assert!(store.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn secrets_and_bindings_go_together() {
    let (_directory, store) = open().await;
    let mut missing = version("1", Vec::new(), &[("KEY", "x")]);
    missing.secrets.clear();
    let mut unnamed = version("1", Vec::new(), &[]);
    unnamed.secrets.insert("KEY".to_owned(), Secret::new("x"));
    for wrong in [missing, unnamed] {
        assert!(matches!(
            store.publish(publish("w", wrong), &by()).await,
            Err(StoreError::Invalid { field: "bindings", .. })
        ));
    }
    let mut empty = version("1", Vec::new(), &[]);
    empty.code = Code::Modules(Vec::new());
    assert!(store.publish(publish("w", empty), &by()).await.is_err());
    let refuse = Publish { if_absent: IfAbsent::Refuse, ..publish("w", version("1", Vec::new(), &[])) };
    assert!(matches!(store.publish(refuse, &by()).await, Err(StoreError::NotFound { thing: Thing::Worker, .. })));
    assert!(store.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_worker_that_others_call_is_deleted_by_force_only() {
    let (_directory, store) = open().await;
    let calls = |target: &str| {
        vec![serde_json::from_value(json!({ "name": "T", "type": "service", "service": target })).unwrap()]
    };
    store.publish(publish("callee", version("1", calls("callee"), &[])), &by()).await.unwrap();
    store.publish(publish("caller", version("1", calls("callee"), &[])), &by()).await.unwrap();
    assert_eq!(store.worker_users("callee").await.unwrap(), ["Worker \"caller\""]);
    let error = store.delete_worker("callee", Force::No, &by()).await.unwrap_err();
    assert!(error.to_string().contains("caller"), "{error}");
    store.delete_worker("callee", Force::Yes, &by()).await.unwrap();
    store.delete_worker("caller", Force::No, &by()).await.unwrap();
}

#[tokio::test]
async fn settings_change_by_the_field() {
    let (_directory, store) = open().await;
    store.publish(publish("w", version("1", Vec::new(), &[])), &by()).await.unwrap();
    let patch = SettingsPatch {
        subdomain_enabled: Some(false),
        observability: Some(Some(json!({ "enabled": true }))),
        tags: Some(vec!["a".to_owned()]),
        ..SettingsPatch::default()
    };
    let worker = store.update_worker_settings("w", patch, &by()).await.unwrap();
    assert!(!worker.settings.subdomain_enabled);
    let generation = store.snapshot().await.unwrap().generation;
    let same = store.update_worker_settings("w", SettingsPatch::default(), &by()).await.unwrap();
    assert_eq!(same, worker);
    // Nothing changed, so that nobody has to follow.
    assert_eq!(store.snapshot().await.unwrap().generation, generation);
}

#[tokio::test]
async fn triggers_belong_to_one_worker() {
    let (_directory, store) = open().await;
    for name in ["a", "b"] {
        store.publish(publish(name, version("1", Vec::new(), &[])), &by()).await.unwrap();
    }
    let pattern = ("app.example.test/*".to_owned(), Some("example.test".to_owned()));
    let routes = store.set_routes("a", vec![pattern.clone()], &by()).await.unwrap();
    let error = store.set_routes("b", vec![pattern.clone()], &by()).await.unwrap_err();
    assert!(error.to_string().contains("Worker \"a\""), "{error}");
    let twice = store.set_routes("a", vec![pattern.clone(), pattern.clone()], &by()).await;
    assert!(matches!(twice, Err(StoreError::Invalid { .. })));
    // Refused changes undo nothing, and a route that stays keeps its identifier.
    assert_eq!(store.set_routes("a", vec![pattern], &by()).await.unwrap(), routes);

    let host = || vec!["shop.example.test".to_owned()];
    store.set_domains("a", host(), Force::No, &by()).await.unwrap();
    assert!(store.set_domains("b", host(), Force::No, &by()).await.is_err());
    store.set_domains("b", host(), Force::Yes, &by()).await.unwrap();
    assert!(store.triggers("a").await.unwrap().domains.is_empty());

    let crons = vec!["*/5 * * * *".to_owned(), "0 0 * * *".to_owned()];
    let schedules = store.set_schedules("a", crons, &by()).await.unwrap();
    assert_eq!(schedules.len(), 2);
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.workers["a"].triggers.schedules, schedules);
    assert_eq!(snapshot.workers["a"].triggers.routes, routes);
    store.delete_worker("a", Force::No, &by()).await.unwrap();
    assert!(store.triggers("a").await.is_err());
}

#[tokio::test]
async fn a_cron_trigger_is_run_once_for_a_minute() {
    let (place, store) = open().await;
    store.publish(publish("w", version("1", Vec::new(), &[])), &by()).await.unwrap();
    let crons = || vec!["*/5 * * * *".to_owned(), "0 0 * * *".to_owned()];
    let schedules = store.set_schedules("w", crons(), &by()).await.unwrap();
    let minute = time::OffsetDateTime::from_unix_timestamp(1_795_860_000).unwrap();
    let later = minute + std::time::Duration::from_secs(300);
    assert!(store.claim_run("w", "*/5 * * * *", minute).await.unwrap());
    let other = reopen(&place).await;
    assert!(!other.claim_run("w", "*/5 * * * *", minute).await.unwrap());
    assert!(other.claim_run("w", "0 0 * * *", minute).await.unwrap());
    assert!(other.claim_run("w", "*/5 * * * *", later).await.unwrap());
    assert!(!store.claim_run("w", "*/5 * * * *", minute).await.unwrap());
    assert!(!store.claim_run("w", "1 1 1 1 *", minute).await.unwrap());
    assert!(!store.claim_run("nobody", "*/5 * * * *", minute).await.unwrap());
    // Set again, it stays what it was.
    assert_eq!(store.set_schedules("w", crons(), &by()).await.unwrap(), schedules);
    assert!(!store.claim_run("w", "*/5 * * * *", later).await.unwrap());
}

#[tokio::test]
async fn a_worker_may_be_made_before_its_first_version() {
    let (_directory, store) = open().await;
    let settings = SettingsPatch { subdomain_enabled: Some(false), ..SettingsPatch::default() };
    let made = store.create_worker("w", settings.clone(), &by()).await.unwrap();
    assert!(!made.settings.subdomain_enabled);
    let again = store.create_worker("w", settings, &by()).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { thing: Thing::Worker, .. })));
    for text in ["w", &made.id.to_string(), &made.id.simple().to_string()] {
        assert_eq!(store.worker_by_name_or_id(text).await.unwrap(), made);
    }
    for text in ["x", &Uuid::new_v4().to_string()] {
        let missing = store.worker_by_name_or_id(text).await;
        assert!(matches!(missing, Err(StoreError::NotFound { thing: Thing::Worker, .. })));
    }
    assert!(store.snapshot().await.unwrap().workers["w"].deployment.is_none());
    let published = store.publish(publish("w", version("1", Vec::new(), &[])), &by()).await.unwrap();
    assert_eq!((published.created, published.worker.id, published.version.number), (false, made.id, 1));
    // A name is looked for first, even one that is another's identifier.
    let named = made.id.simple().to_string();
    let other = store.create_worker(&named, SettingsPatch::default(), &by()).await.unwrap();
    assert_eq!(store.worker_by_name_or_id(&named).await.unwrap(), other);
}

#[tokio::test]
async fn old_versions_and_deployments_can_be_deleted_and_used_ones_cannot() {
    let (_directory, store) = open().await;
    let [first, second] = [
        store.publish(publish("w", version("1", Vec::new(), &[("KEY", "hunter2")])), &by()).await.unwrap(),
        store.publish(publish("w", version("2", Vec::new(), &[])), &by()).await.unwrap(),
    ];
    let [old, current] = [&first, &second].map(|published| published.deployment.as_ref().unwrap().id);
    let in_use =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::InUse { .. })), "{result:?}");
    in_use(store.delete_deployment("w", current, &by()).await);
    in_use(store.delete_version("w", first.version.id, &by()).await);
    store.delete_deployment("w", old, &by()).await.unwrap();
    assert!(matches!(store.delete_deployment("w", old, &by()).await, Err(StoreError::NotFound { .. })));
    store.delete_version("w", first.version.id, &by()).await.unwrap();
    assert!(matches!(store.version("w", first.version.id).await, Err(StoreError::NotFound { .. })));
    assert!(store.version_secrets(first.version.id).await.unwrap().is_empty());
    // The newest one keeps its number, deployed or not.
    let third = Publish { deploy: None, ..publish("w", version("3", Vec::new(), &[])) };
    let third = store.publish(third, &by()).await.unwrap();
    in_use(store.delete_version("w", third.version.id, &by()).await);
    in_use(store.delete_version("w", second.version.id, &by()).await);
    assert_eq!(store.snapshot().await.unwrap().workers["w"].pick(0).unwrap().version.id, second.version.id);
}

#[tokio::test]
async fn a_custom_domain_keeps_its_zone() {
    let (_directory, store) = open().await;
    for name in ["a", "b"] {
        store.publish(publish(name, version("1", Vec::new(), &[])), &by()).await.unwrap();
    }
    let put =
        async |worker: &str, zone: Option<&str>| store.put_domain(worker, "www.x.test", zone, &by()).await.unwrap();
    let made = put("a", None).await;
    assert_eq!(made.zone_name, None);
    let zoned = put("a", Some("x.test")).await;
    assert_eq!((zoned.id, zoned.zone_name.as_deref()), (made.id, Some("x.test")));
    assert_eq!(put("b", None).await, zoned);
    let kept = store.set_domains("b", vec!["www.x.test".to_owned()], Force::No, &by()).await.unwrap();
    assert_eq!(kept, std::slice::from_ref(&zoned));
    assert_eq!(store.domain(made.id).await.unwrap(), ("b".to_owned(), zoned));
}
