//! Kept connections: used again, found dead, closed in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{World, get, post, read_head, serve, service_at};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A service that answers so many requests on each connection and then closes it when the next one comes.
async fn closes_after(requests: usize) -> std::net::SocketAddr {
    serve(move |_, mut stream| async move {
        for _ in 0..requests {
            if read_head(&mut stream).await.is_empty() {
                return;
            }
            stream.write_all(OK).await.unwrap();
        }
        read_head(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn connections_are_used_again() {
    let world = World::new();
    let service = Arc::new(service_at(closes_after(100).await));
    for number in 0..5 {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        let event = world.event().await;
        assert_eq!(event.reused, number > 0);
        assert_eq!(event.timings.connect.is_some(), number == 0);
        assert_eq!(event.connector, Some(uuid::Uuid::from_u128(9)));
    }
    assert_eq!(world.network.opened(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_under_the_request_is_replaced() {
    let world = World::new();
    let service = Arc::new(service_at(closes_after(1).await));
    for number in 1..=5 {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        let event = world.event().await;
        assert!(event.error.is_none() && !event.reused, "{event:?}");
        assert_eq!(world.network.opened(), number);
    }
    // A body that is small enough to be sent again goes along.
    let put = Request::put("http://x/").body(invocation::full("data")).unwrap();
    assert_eq!(world.text(&service, put).await, "ok");
    assert!(world.event().await.error.is_none());
    // What cannot be repeated fails, and says so.
    let error =
        world.request_fails(&service, post("http://x/", "data"), ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(!error.retryable);
}

#[tokio::test]
async fn a_connection_that_closes_while_it_is_kept_is_not_used() {
    let world = World::new();
    let (close, closing) = mpsc::channel::<()>(1);
    let closing = Arc::new(tokio::sync::Mutex::new(closing));
    let address = serve(move |_, mut stream| {
        let closing = Arc::clone(&closing);
        async move {
            read_head(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            closing.lock().await.recv().await;
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    close.send(()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // A POST, which could not be sent twice.
    assert_eq!(world.text(&service, post("http://x/", "data")).await, "ok");
    assert_eq!(world.network.opened(), 2);
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let world = World::new();
    let (closed, mut is_closed) = mpsc::channel(1);
    let address = serve(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let mut service = service_at(address);
    service.policy.idle_timeout = Duration::from_millis(100);
    let service = Arc::new(service);
    for _ in 0..2 {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        tokio::time::timeout(Duration::from_secs(5), is_closed.recv()).await.unwrap().unwrap();
    }
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    world.vpc.forget(service.id);
    is_closed.recv().await.unwrap();
}

#[tokio::test]
async fn connections_count_up_to_the_requests_at_once() {
    let world = Arc::new(World::new());
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, peak) = (Arc::clone(&open), Arc::clone(&most));
    let address = serve(move |_, mut stream| {
        let (open, most) = (Arc::clone(&counted), Arc::clone(&peak));
        async move {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            while !read_head(&mut stream).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
                stream.write_all(OK).await.unwrap();
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let mut service = service_at(address);
    service.policy.max_connections = 8;
    let service = Arc::new(service);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (world, service) = (Arc::clone(&world), Arc::clone(&service));
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 8);
    assert!(world.network.opened() <= 16, "{} connections for 400 requests", world.network.opened());
}

#[tokio::test]
async fn a_connection_whose_connector_drains_is_not_kept() {
    let world = World::new();
    let (seen_end, mut ended) = mpsc::channel(4);
    let address = serve(move |number, mut stream| {
        let seen_end = seen_end.clone();
        async move {
            while !read_head(&mut stream).await.is_empty() {
                stream.write_all(OK).await.unwrap();
            }
            seen_end.send(number).await.unwrap();
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    assert!(!world.event().await.reused);
    world.network.draining.store(true, Ordering::SeqCst);
    // Nobody asks for anything: it is let go all the same, long before its idle time is over.
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), ended.recv()).await.unwrap(), Some(0));
    // Such a connection serves the request that it was opened for and no other.
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    assert!(!world.event().await.reused);
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), ended.recv()).await.unwrap(), Some(1));
    world.network.draining.store(false, Ordering::SeqCst);
    for reused in [false, true] {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        assert_eq!(world.event().await.reused, reused);
    }
}
