//! Bodies both ways: streamed, cut short, silent, given up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connection_error::{ErrorCode, Phase};
use futures_util::{StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use invocation::{Body, BodyError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{World, answers, body_error, get, hold, post, read, read_head, reset, serve, service_at};

/// A body whose parts come through a channel.
fn channel() -> (mpsc::Sender<Result<Bytes, BodyError>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let parts = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    (sender, StreamBody::new(parts.map(|part| part.map(Frame::data))).boxed_unsync())
}

#[tokio::test]
async fn a_body_that_ends_too_soon() {
    let world = World::new();
    for (answer, said) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"[..], "closed the connection after 4 of 10 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "closed the connection after 4 bytes of the body, before its end",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf", "closed the connection after 4 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf", "not well formed"),
    ] {
        let service = Arc::new(service_at(answers(answer).await));
        let response = world.get(&service, "http://x/").await.unwrap();
        assert_eq!(response.status(), 200);
        world.no_event();
        let error = body_error(response).await;
        assert!(error.detail.contains(said), "{error:?}");
        assert!(error.timings.head.is_some());
        world.check(&service, &error, ErrorCode::HttpResponseIncomplete, Phase::Body).await;
    }
}

#[tokio::test]
async fn a_body_that_is_reset() {
    let world = World::new();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let address = serve(move |_, mut stream| {
        let gone = Arc::clone(&gone);
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
            gone.lock().await.take().unwrap().await.unwrap();
            reset(stream);
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    let mut response = world.get(&service, "http://x/").await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    go.send(()).unwrap();
    let error = body_error(response).await;
    world.check(&service, &error, ErrorCode::HttpResponseIncomplete, Phase::Body).await;
    assert!(error.detail.contains("reset"), "{error:?}");
}

#[tokio::test]
async fn a_body_that_stops_coming() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut service = service_at(address);
    service.policy.read_timeout = Duration::from_millis(200);
    let service = Arc::new(service);
    let error = body_error(world.get(&service, "http://x/").await.unwrap()).await;
    world.check(&service, &error, ErrorCode::ConnectionReadTimeout, Phase::Body).await;
}

#[tokio::test]
async fn a_reader_may_take_its_time() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
        tokio::time::sleep(Duration::from_millis(450)).await;
        stream.write_all(b"done").await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut service = service_at(address);
    service.policy.read_timeout = Duration::from_millis(200);
    let service = Arc::new(service);
    let mut response = world.get(&service, "http://x/").await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    // The reader is away for longer than the service may be silent while it is waited for.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(read(response).await.unwrap(), "done");
    assert_eq!(world.event().await.error, None);
}

#[tokio::test]
async fn a_body_until_the_end_of_the_connection() {
    let world = World::new();
    let service = Arc::new(service_at(answers(b"HTTP/1.1 200 OK\r\n\r\nall of it").await));
    assert_eq!(world.text(&service, get("http://x/")).await, "all of it");
    let event = world.event().await;
    assert_eq!((event.status, event.error), (Some(200), None));
}

#[tokio::test]
async fn giving_up_a_body_closes_its_connection() {
    let world = World::new();
    let (closed, mut is_closed) = mpsc::channel(1);
    let address = serve(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
            let mut buffer = [0];
            let _ = stream.read(&mut buffer).await;
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    drop(world.get(&service, "http://x/").await.unwrap());
    is_closed.recv().await.unwrap();
    let event = world.event().await;
    assert_eq!((event.status, event.error, event.canceled), (Some(200), None, false));
}

#[tokio::test]
async fn giving_up_before_the_head_is_neither_success_nor_failure() {
    let world = World::new();
    let (asked, mut is_asked) = mpsc::channel(1);
    let address = serve(move |_, mut stream| {
        let asked = asked.clone();
        async move {
            read_head(&mut stream).await;
            asked.send(()).await.unwrap();
            let _ = stream.read(&mut [0]).await;
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    tokio::select! {
        response = world.get(&service, "http://x/") => panic!("nothing should have answered, and there is {response:?}"),
        asked = is_asked.recv() => asked.unwrap(),
    }
    let event = world.event().await;
    assert!(event.canceled, "{event:?}");
    assert_eq!((event.status, event.error, event.address), (None, None, Some(address.to_string())));
    assert!(event.timings.connect.is_some());
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        let head = read_head(&mut stream).await.to_lowercase();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        // Every chunk of five bytes goes back as it came.
        let mut chunk = [0; 10];
        while stream.read_exact(&mut chunk).await.is_ok() {
            stream.write_all(&chunk).await.unwrap();
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
    })
    .await;
    let service = Arc::new(service_at(address));
    let (sender, body) = channel();
    let mut response =
        world.fetch(&service, Request::post("http://x/").body(body).unwrap()).await.expect("the head before the body");
    for part in ["first", "again", "third"] {
        sender.send(Ok(Bytes::from(part))).await.unwrap();
        assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), part);
    }
}

#[tokio::test]
async fn back_pressure_reaches_the_service() {
    let world = World::new();
    let (progress, mut written) = mpsc::unbounded_channel();
    let address = serve(move |_, mut stream| {
        let progress = progress.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n").await.unwrap();
            let part = vec![b'x'; 1024 * 1024];
            while stream.write_all(&part).await.is_ok() {
                let _ = progress.send(());
            }
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    let response = world.get(&service, "http://x/").await.unwrap();
    // Nobody reads: the service gets stuck after what the buffers on the way hold.
    let mut stuck_at = 0;
    while tokio::time::timeout(Duration::from_millis(300), written.recv()).await.is_ok() {
        stuck_at += 1;
        assert!(stuck_at < 64, "64 MiB were taken for a reader that does not read");
    }
    drop(response);
}

#[tokio::test]
async fn the_source_of_the_request_body_fails() {
    let world = World::new();
    let address = serve(|_, stream| hold(stream)).await;
    let service = Arc::new(service_at(address));
    let parts = stream::iter([
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err(BodyError::Canceled("the visitor disconnected".to_owned())),
    ]);
    let request = Request::post("http://x/").body(StreamBody::new(parts).boxed_unsync()).unwrap();
    let error = world.request_fails(&service, request, ErrorCode::HttpRequestError, Phase::Request).await;
    assert!(error.detail.contains("the visitor disconnected"), "{error:?}");

    for (length, said) in [("10", "ended after 4 bytes"), ("2", "goes on after the 2 bytes")] {
        let request = Request::post("http://x/").header("content-length", length);
        let parts = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"half")))]);
        let body = StreamBody::new(parts).map_err(|never| match never {}).boxed_unsync();
        let request = request.body(body).unwrap();
        let error = world.request_fails(&service, request, ErrorCode::HttpRequestError, Phase::Request).await;
        assert!(error.detail.contains(said), "{error:?}");
    }
}

#[tokio::test]
async fn an_early_answer_counts_although_the_service_reads_no_further() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        // The rest of the request meets a closed socket, but only after the answer had time to arrive.
        tokio::time::sleep(Duration::from_millis(200)).await;
    })
    .await;
    let service = Arc::new(service_at(address));
    let response = world.fetch(&service, post("http://x/", vec![b'x'; 64 * 1024 * 1024])).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(read(response).await.unwrap(), "big");
    let event = world.event().await;
    assert_eq!((event.status, event.error), (Some(413), None));
}

#[tokio::test]
async fn a_slow_source_is_not_the_services_fault() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        let mut rest = [0; 64];
        let mut heard = Vec::new();
        while !heard.ends_with(b"0\r\n\r\n") {
            let length = stream.read(&mut rest).await.unwrap();
            heard.extend_from_slice(&rest[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let mut service = service_at(address);
    service.policy.read_timeout = Duration::from_millis(150);
    service.policy.write_timeout = Duration::from_millis(150);
    let (sender, body) = channel();
    tokio::spawn(async move {
        for part in ["one", "two"] {
            tokio::time::sleep(Duration::from_millis(400)).await;
            sender.send(Ok(Bytes::from(part))).await.unwrap();
        }
    });
    let request = Request::post("http://x/").body(body).unwrap();
    assert_eq!(world.text(&Arc::new(service), request).await, "ok");
    assert!(world.event().await.timings.request.unwrap() >= Duration::from_millis(750));
}

#[tokio::test]
async fn trailers_of_a_chunked_body_come_through() {
    let world = World::new();
    let answer =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\ndata\r\n0\r\nX-Sum: 9\r\n\r\n";
    let service = Arc::new(service_at(answers(answer).await));
    let collected = world.get(&service, "http://x/").await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "9");
    assert_eq!(world.event().await.error, None);
}

#[tokio::test]
async fn a_request_that_outlives_its_answer_does_not_hold_the_connection() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut service = service_at(address);
    service.policy.max_connections = 1;
    service.policy.write_timeout = Duration::from_millis(200);
    let service = Arc::new(service);
    let (_never_sends, body) = channel();
    let request = Request::post("http://x/").body(body).unwrap();
    assert_eq!(world.text(&service, request).await, "ok");
    assert_eq!(world.event().await.error, None);
    let freed = async {
        while world.get(&service, "http://x/").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), freed).await.expect("the connection is given up");
}
