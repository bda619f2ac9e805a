//! Stopping loses nothing that can still end in time.

use std::sync::Arc;
use std::time::Duration;

use edge::EdgeOptions;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use crate::support::{Drops, patiently, start, start_hello, text};

#[tokio::test]
async fn requests_in_flight_end_and_new_ones_are_not_taken() {
    let permits = Arc::new(Semaphore::new(0));
    let (begun, mut began) = mpsc::unbounded_channel();
    let granted = permits.clone();
    let mut edge = start(EdgeOptions::default(), move |_| {
        let (permits, begun) = (granted.clone(), begun.clone());
        Box::pin(async move {
            begun.send(()).unwrap();
            permits.acquire().await.unwrap().forget();
            Ok(text("late, but there"))
        })
    })
    .await;
    let mut busy = edge.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    patiently("the Worker to begin", began.recv()).await.unwrap();
    edge.stop.take().unwrap().send(()).unwrap();
    patiently("the listener to close", async {
        while TcpStream::connect(edge.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    permits.add_permits(1);
    let reply = busy.reply().await;
    assert_eq!(reply.text(), "late, but there");
    assert_eq!(busy.rest().await, "");
    patiently("the edge to end", edge.task).await.unwrap();
}

#[tokio::test]
async fn idle_connections_end_at_once() {
    let mut edge = start_hello(EdgeOptions::default()).await;
    let mut idle = edge.connect().await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.reply().await;
    edge.stop.take().unwrap().send(()).unwrap();
    assert_eq!(idle.rest().await, "");
    patiently("the edge to end", edge.task).await.unwrap();
    assert_eq!(edge.counters.connections_open(), 0);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_dropped() {
    let (mut drops, guard) = Drops::new();
    let (begun, mut began) = mpsc::unbounded_channel();
    let options = EdgeOptions { drain_timeout: Duration::from_millis(100), ..EdgeOptions::default() };
    let mut edge = start(options, move |_| {
        let (guard, begun) = (guard("dispatch"), begun.clone());
        Box::pin(async move {
            let _guard = guard;
            begun.send(()).unwrap();
            std::future::pending().await
        })
    })
    .await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    patiently("the Worker to begin", began.recv()).await.unwrap();
    edge.stop.take().unwrap().send(()).unwrap();
    patiently("the edge to end", edge.task).await.unwrap();
    assert_eq!(drops.next().await, "dispatch");
    assert_eq!(client.rest().await, "");
}
