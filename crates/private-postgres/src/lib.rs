//! For tests: a PostgreSQL server that a test program has for itself, on a socket in a temporary directory. It is
//! started when it is first asked for and gone with the test program, however that ends (`scripts/private-postgres`).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

/// From the directory of a crate, where its tests are run.
const PROGRAM: &str = "../../scripts/private-postgres";

/// What the program ends with where PostgreSQL is not installed.
const NOT_INSTALLED: i32 = 3;

struct Server {
    /// Where its maintenance database is.
    url: String,
    /// It serves until this, or rather the pipe to its input, goes.
    _process: Child,
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref()
}

fn start() -> Option<Server> {
    let process = Command::new(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut process = process.unwrap_or_else(|error| panic!("{PROGRAM} cannot be started: {error}"));
    let mut url = String::new();
    let output = process.stdout.take().map(BufReader::new);
    let read = output.map(|mut output| output.read_line(&mut url));
    if !url.is_empty() {
        return Some(Server { url: url.trim_end().to_owned(), _process: process });
    }
    match process.wait().map(|status| status.code()) {
        Ok(Some(NOT_INSTALLED)) => None,
        ended => panic!("{PROGRAM} did not start a server: {read:?}, {ended:?}"),
    }
}

/// The URL of a new, empty database. Nothing where PostgreSQL is not installed; that is said on standard error, past
/// what a test runner captures.
pub async fn database() -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = server() else {
        let _ = writeln!(std::io::stderr(), "skipped: PostgreSQL is not installed (scripts/setup test installs it)");
        return None;
    };
    let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    run(&server.url, format!("CREATE DATABASE {name}")).await;
    Some(server.url.replace("/postgres?", &format!("/{name}?")))
}

/// Runs statements of a test on the database of this URL. Panics when they fail.
pub async fn run(url: &str, statements: String) {
    let options: PgConnectOptions = url.parse().expect("the URL of a database");
    let mut connection = options.connect().await.expect("a connection to the test's database");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.expect("statements of a test");
    connection.close().await.expect("the end of a connection");
}
