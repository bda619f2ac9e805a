//! Stores in temporary directories, and things to put in them.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use store::{
    Actor, Base, Binding, BindingKind, Code, ConfigSource, DatabaseLocation, DeploymentDetail, IfAbsent, KeySource,
    Limits, Module, ModuleKind, NewVersion, Protocol, Publish, Secret, ServiceHost, SettingsPatch, Store, Tunnel,
    VersionDetail, VpcServiceSpec,
};
use uuid::Uuid;

use crate::engine;

/// Where a store is: a directory, and the URL of a database of the engine under test.
pub struct Place {
    directory: tempfile::TempDir,
    pub url: String,
}

impl Place {
    pub async fn new() -> Self {
        Place { directory: tempfile::tempdir().unwrap(), url: engine::database().await }
    }

    /// Another directory with the same database.
    #[allow(dead_code, reason = "only PostgreSQL has such a thing")]
    pub fn another(&self) -> Self {
        Place { directory: tempfile::tempdir().unwrap(), url: self.url.clone() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn location(&self) -> DatabaseLocation {
        self.url.parse().unwrap()
    }

    pub async fn open(&self) -> Store {
        Store::open(self.path(), &self.location(), &KeySource::DataDirectory).await.unwrap()
    }
}

pub async fn open() -> (Place, Store) {
    let place = Place::new().await;
    let store = place.open().await;
    (place, store)
}

pub async fn reopen(place: &Place) -> Store {
    place.open().await
}

pub fn by() -> Actor {
    Actor { token_id: Some(Uuid::nil()), name: "tester".to_owned(), address: Some("127.0.0.1".to_owned()) }
}

pub async fn tunnel(store: &Store, name: &str) -> Tunnel {
    store.create_tunnel(name, ConfigSource::Remote, None, &by()).await.unwrap()
}

pub fn service(name: &str, tunnel: Uuid) -> VpcServiceSpec {
    VpcServiceSpec {
        name: name.to_owned(),
        protocol: Protocol::Http { http_port: Some(8080), https_port: None },
        host: ServiceHost::Address { ipv4: Some("10.0.0.5".parse().unwrap()), ipv6: None, tunnel_id: tunnel },
        tls: None,
        policy: None,
    }
}

pub fn modules(text: &str) -> Vec<Module> {
    vec![
        Module { name: "index.js".to_owned(), kind: ModuleKind::EsModule, body: Bytes::from(text.to_owned()) },
        Module { name: "./data.bin".to_owned(), kind: ModuleKind::Data, body: Bytes::from_static(&[0, 255, 1, 254]) },
    ]
}

pub fn version(text: &str, bindings: Vec<Binding>, secrets: &[(&str, &str)]) -> NewVersion {
    let mut bindings = bindings;
    bindings
        .extend(secrets.iter().map(|(name, _)| Binding { name: (*name).to_owned(), kind: BindingKind::SecretText }));
    NewVersion {
        code: Code::Modules(modules(text)),
        detail: VersionDetail {
            main_module: "index.js".to_owned(),
            compatibility_date: Some("2025-09-01".to_owned()),
            compatibility_flags: vec!["nodejs_compat".to_owned()],
            bindings,
            limits: Limits { cpu_ms: Some(50), subrequests: None },
            annotations: BTreeMap::from([("workers/tag".to_owned(), "v1".to_owned())]),
            source: "api".to_owned(),
            author: "tester".to_owned(),
            handlers: vec!["fetch".to_owned()],
            entrypoints: None,
            startup_time_ms: 2,
            extra: serde_json::Map::new(),
        },
        secrets: secrets.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(*text))).collect(),
    }
}

pub fn publish(worker: &str, version: NewVersion) -> Publish {
    Publish {
        worker: worker.to_owned(),
        if_absent: IfAbsent::Create,
        base: Base::Any,
        version,
        deploy: Some(DeploymentDetail {
            source: "api".to_owned(),
            author: "tester".to_owned(),
            annotations: BTreeMap::new(),
        }),
        settings: SettingsPatch::default(),
    }
}
