//! The access log: one JSON line for each request of a visitor, to a file or to standard output.
//!
//! Lines are written by a thread of their own, so that a slow disk holds nobody up; what it does not keep up with is dropped
//! and counted. URLs are redacted as in all records.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::error::TelemetryError;
use crate::queue::LossCounts;
use crate::{ExchangeRecord, redact};

/// Requests that wait to be written; more are dropped and counted.
const QUEUE: usize = 16_384;
/// How long a line waits at most for others to be written with.
const LINGER: Duration = Duration::from_millis(200);
/// The log is told of failures at most this often.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// To the end of this file.
    File(PathBuf),
    /// To standard output.
    StandardOutput,
}

enum Line {
    Exchange(Box<ExchangeRecord>),
    Flush(SyncSender<()>),
}

#[derive(Debug, Default)]
struct Shared {
    queue_full: AtomicU64,
    unwritten: AtomicU64,
    /// The file was moved away: begin a new one.
    reopen: AtomicBool,
}

/// The side that takes requests; never waits.
#[derive(Debug)]
pub(crate) struct AccessLog {
    lines: Option<SyncSender<Line>>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl AccessLog {
    pub(crate) fn open(target: AccessLogTarget) -> Result<Self, TelemetryError> {
        let output = Output::open(target)?;
        let (lines, received) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn({
                let shared = shared.clone();
                move || write(received, output, &shared)
            })
            .map_err(|source| TelemetryError::AccessLog { path: PathBuf::from("-"), source })?;
        Ok(Self { lines: Some(lines), shared, writer: Some(writer) })
    }

    /// Takes a request, or counts it as lost.
    pub(crate) fn push(&self, record: Box<ExchangeRecord>) {
        if let Some(lines) = &self.lines
            && lines.try_send(Line::Exchange(record)).is_err()
        {
            self.shared.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Begins the file anew before the next line: the old one was moved away.
    pub(crate) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn losses(&self) -> LossCounts {
        LossCounts {
            queue_full: self.shared.queue_full.load(Ordering::Relaxed),
            shed: 0,
            unwritten: self.shared.unwritten.load(Ordering::Relaxed),
        }
    }

    /// What has to be waited for until everything taken before is written: blocks.
    pub(crate) fn flush(&self) -> impl FnOnce() + Send + use<> {
        let lines = self.lines.clone();
        move || {
            let (done, written) = sync_channel(1);
            if lines.is_some_and(|lines| lines.send(Line::Flush(done)).is_ok()) {
                // The writer may have ended.
                let _ = written.recv();
            }
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer is in the log already.
            let _ = writer.join();
        }
    }
}

/// An open file, or standard output.
struct Output {
    target: AccessLogTarget,
    writer: BufWriter<Box<dyn Write + Send>>,
}

impl Output {
    fn open(target: AccessLogTarget) -> Result<Self, TelemetryError> {
        let writer = Self::writer(&target)?;
        Ok(Self { target, writer })
    }

    fn writer(target: &AccessLogTarget) -> Result<BufWriter<Box<dyn Write + Send>>, TelemetryError> {
        let output: Box<dyn Write + Send> = match target {
            AccessLogTarget::File(path) => {
                let opened = append_to(path);
                Box::new(opened.map_err(|source| TelemetryError::AccessLog { path: path.clone(), source })?)
            }
            AccessLogTarget::StandardOutput => Box::new(std::io::stdout()),
        };
        Ok(BufWriter::with_capacity(64 * 1024, output))
    }

    fn reopen(&mut self) -> Result<(), TelemetryError> {
        // What is buffered belongs to the old file.
        let _ = self.writer.flush();
        self.writer = Self::writer(&self.target)?;
        Ok(())
    }
}

/// Visitors' addresses are nobody else's business.
fn append_to(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn write(received: Receiver<Line>, mut output: Output, shared: &Shared) {
    let mut complained: Option<Instant> = None;
    let mut complain = |what: &dyn std::fmt::Display| {
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINTS) {
            complained = Some(Instant::now());
            tracing::error!("the access log cannot be written, so lines are lost and counted: {what}");
        }
    };
    // Lines since the last flush, which are lost when that fails.
    let mut buffered = 0;
    let mut flushed = Instant::now();
    loop {
        let next = received.recv_timeout(LINGER);
        if shared.reopen.swap(false, Ordering::Relaxed)
            && let Err(error) = output.reopen()
        {
            complain(&error);
        }
        let mut written = Ok(());
        let (mut done, mut is_over) = (None, false);
        match next {
            Ok(Line::Exchange(record)) => {
                buffered += 1;
                written = writeln!(output.writer, "{}", line(&record));
            }
            Ok(Line::Flush(asked)) => done = Some(asked),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_over = true,
        }
        if done.is_some() || is_over || flushed.elapsed() >= LINGER {
            written = written.and_then(|()| output.writer.flush());
            flushed = Instant::now();
            if written.is_ok() {
                buffered = 0;
            }
        }
        if let Err(error) = written {
            shared.unwritten.fetch_add(std::mem::take(&mut buffered), Ordering::Relaxed);
            complain(&error);
            // A writer that failed keeps what it could not write: begin anew.
            if let Ok(writer) = Output::writer(&output.target) {
                let failed = std::mem::replace(&mut output.writer, writer);
                drop(failed.into_parts());
            }
        }
        if let Some(done) = done {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
        if is_over {
            return;
        }
    }
}

/// One request as a line.
fn line(record: &ExchangeRecord) -> String {
    let milliseconds = |time: Duration| time.as_micros() as f64 / 1000.0;
    let mut line = json!({
        "time": record.started.format(&Rfc3339).unwrap_or_default(),
        "ray": record.ray_id,
        "client": record.client,
        "protocol": format!("{:?}", record.protocol),
        "method": record.method.as_str(),
        "scheme": record.scheme,
        "host": record.host.as_deref(),
        "path": redact::url(&record.path),
        "status": record.status,
        "response_bytes": record.response_bytes,
        "complete": record.complete,
        "duration_ms": milliseconds(record.duration),
        "worker": record.worker.as_deref(),
        "version": record.version,
        "user_agent": record.user_agent,
        "referer": record.referer.as_deref().map(redact::url),
    });
    if let (Some(trace), Some(members)) = (record.trace, line.as_object_mut()) {
        members.insert("trace_id".to_owned(), format!("{:032x}", trace.trace_id).into());
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use invocation::RayId;
    use serde_json::Value;
    use time::OffsetDateTime;

    fn record(number: u64) -> Box<ExchangeRecord> {
        Box::new(ExchangeRecord {
            ray_id: RayId(number),
            started: OffsetDateTime::UNIX_EPOCH,
            duration: Duration::from_micros(1250),
            client: [192, 0, 2, 1].into(),
            protocol: http::Version::HTTP_2,
            method: http::Method::GET,
            scheme: "http",
            host: Some("shop.example".into()),
            path: "/users/0123456789abcdef0123456789ABCDEF?\"q\"".to_owned(),
            user_agent: Some("curl\n".to_owned()),
            referer: None,
            worker: Some("shop".into()),
            version: None,
            status: Some(200),
            response_bytes: 12,
            complete: true,
            trace: None,
        })
    }

    fn read(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_request_is_a_line_of_json_and_a_moved_file_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
        let log = AccessLog::open(AccessLogTarget::File(path.clone())).unwrap();
        log.push(record(1));
        log.flush()();
        let lines = read(&path);
        let expected = json!({
            "time": "1970-01-01T00:00:00Z", "ray": "0000000000000001", "client": "192.0.2.1", "protocol": "HTTP/2.0",
            "method": "GET", "scheme": "http", "host": "shop.example", "path": "/users/REDACTED?\"q\"", "status": 200,
            "response_bytes": 12, "complete": true, "duration_ms": 1.25, "worker": "shop", "version": null,
            "user_agent": "curl\n", "referer": null,
        });
        assert_eq!(lines, [expected]);

        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.push(record(2));
        drop(log);
        assert_eq!((read(&moved).len(), read(&path)[0]["ray"].as_str().unwrap()), (1, "0000000000000002"));
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let log = AccessLog::open(AccessLogTarget::File("/dev/full".into())).unwrap();
        for number in 0..10 {
            log.push(record(number));
        }
        log.flush()();
        assert_eq!(log.losses(), LossCounts { queue_full: 0, shed: 0, unwritten: 10 });
        let nowhere = AccessLogTarget::File("/nonexistent/access.log".into());
        assert!(AccessLog::open(nowhere).unwrap_err().to_string().contains("/nonexistent/access.log"));
    }
}
