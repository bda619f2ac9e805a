//! `kill -9` at random moments under a stream of writes: every acknowledged write is there, and no half one.
//!
//! The test starts this same program again as the writer. The writer says on its output what was acknowledged; a
//! line counts when it was written whole.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use store::{AuditQuery, DatabaseLocation, KeySource, Store, TunnelQuery};
use uuid::Uuid;

use crate::fixture::{Place, by, publish, service, version};

const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
const DATABASE: &str = "STORE_CRASH_DATABASE";
const ROUNDS: usize = 12;

fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent is gone when this fails, and with it the reason to go on.
    if writeln!(out, "ack {line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Not a test by itself: the writer, when the test below starts it.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let location: DatabaseLocation = std::env::var(DATABASE).unwrap().parse().unwrap();
        let store = Store::open(Path::new(&directory), &location, &KeySource::DataDirectory).await.unwrap();
        store.ensure_admin_token(Path::new(&directory)).await.unwrap();
        acknowledge("open");
        let store = Arc::new(store);
        let round = Uuid::new_v4().simple().to_string();
        let services = {
            let (store, round) = (Arc::clone(&store), round.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let name = format!("{round}-{number}");
                    let tunnel = store.create_tunnel(&name, store::ConfigSource::Local, None, &by()).await.unwrap();
                    acknowledge(&format!("tunnel {}", tunnel.id));
                    // Quotas end the services before they end the round.
                    if let Ok(made) = store.create_service(service(&name, tunnel.id), &by()).await {
                        acknowledge(&format!("service {}", made.id));
                    }
                }
            })
        };
        let workers = tokio::spawn(async move {
            let worker = format!("w{round}");
            for number in 0.. {
                let text = format!("export default {number}; // {}", "x".repeat(20_000));
                let secret = format!("secret {number}");
                let new = version(&text, Vec::new(), &[("KEY", &secret)]);
                let published = store.publish(publish(&worker, new), &by()).await.unwrap();
                acknowledge(&format!("version {worker} {} {number}", published.version.id));
            }
        });
        let _ = tokio::join!(services, workers);
    });
}

struct Acknowledged {
    tunnels: BTreeSet<Uuid>,
    services: BTreeSet<Uuid>,
    versions: Vec<(String, Uuid, u32)>,
}

/// When a writer is killed.
enum Moment {
    /// So long after its start: while it opens the store, most likely.
    Opening(Duration),
    /// So long after it acknowledged so many writes.
    Writing(usize, Duration),
}

fn run_and_kill(place: &Place, moment: Moment, all: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::writer", "--exact", "--nocapture"])
        .env(DIRECTORY, place.path())
        .env(DATABASE, &place.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let after = match moment {
        Moment::Opening(after) => after,
        Moment::Writing(count, after) => {
            while text.lines().filter(|line| line.starts_with("ack ")).count() < count {
                assert_ne!(output.read_line(&mut text).unwrap(), 0, "the writer ended early");
            }
            after
        }
    };
    let reader = std::thread::spawn(move || {
        // A cut character at the end is no whole line.
        let _ = output.read_to_string(&mut text);
        text
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let text = reader.join().unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["ack", "tunnel", id] => {
                all.tunnels.insert(id.parse().unwrap());
            }
            ["ack", "service", id] => {
                all.services.insert(id.parse().unwrap());
            }
            ["ack", "version", worker, id, number] => {
                all.versions.push(((*worker).to_owned(), id.parse().unwrap(), number.parse().unwrap()))
            }
            _ => {}
        }
    }
}

async fn check(place: &Place, all: &Acknowledged) {
    let store = place.open().await;
    store.ensure_admin_token(place.path()).await.unwrap();
    let snapshot = store.snapshot().await.unwrap();
    for id in &all.tunnels {
        assert!(snapshot.tunnels.contains_key(id), "tunnel {id} is lost");
    }
    for id in &all.services {
        assert!(snapshot.services.contains_key(id), "service {id} is lost");
    }
    for (worker, id, number) in &all.versions {
        let found = store.version(worker, *id).await.unwrap();
        assert_eq!(found.number, number + 1);
        let modules = store.modules(*id).await.unwrap();
        assert!(modules[0].body.starts_with(format!("export default {number};").as_bytes()));
        let secrets = store.version_secrets(*id).await.unwrap();
        assert_eq!(secrets["KEY"].expose_str(), Some(format!("secret {number}").as_str()));
    }
    // No half write: every version is whole and was deployed with it; every change has its audit row.
    let mut changes = 1;
    for (name, worker) in &snapshot.workers {
        let versions = store.versions(name).await.unwrap();
        let deployments = store.deployments(name, u32::MAX).await.unwrap();
        assert_eq!(versions.len(), deployments.len());
        for version in &versions {
            assert_eq!(store.modules(version.id).await.unwrap().len(), 2);
            assert_eq!(store.version_secrets(version.id).await.unwrap().len(), 1);
        }
        assert!(worker.pick(0).is_some());
        // Each version has another text of its secret, which is a row of its own.
        changes += 2 * versions.len() + deployments.len();
    }
    changes += store.tunnels(&TunnelQuery::default()).await.unwrap().len();
    changes += store.services().await.unwrap().len();
    let audit = store.audit(&AuditQuery { limit: u32::MAX, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(audit.len(), changes);
    assert_eq!(store.tokens().await.unwrap().len(), 1);
    store.close().await;
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = runtime.block_on(Place::new());
    let mut all = Acknowledged { tunnels: BTreeSet::new(), services: BTreeSet::new(), versions: Vec::new() };
    for round in 0..ROUNDS {
        // The first rounds cut the making of the store itself.
        let moment = match round {
            0..3 => Moment::Opening(Duration::from_millis(random.u64(1..10))),
            _ => Moment::Writing(random.usize(4..20), Duration::from_micros(random.u64(..10_000))),
        };
        run_and_kill(&place, moment, &mut all);
        runtime.block_on(check(&place, &all));
    }
    println!(
        "{} tunnels, {} services, {} versions were acknowledged",
        all.tunnels.len(),
        all.services.len(),
        all.versions.len()
    );
    assert!(all.tunnels.len() > 20 && all.versions.len() > 20, "too few writes to tell");
}
