//! Stock wrangler against the built program: every command that a user of Workers and VPC Services has, its output, its
//! exit code, and what is served afterwards. `scripts/setup test` installs the two versions.

mod private;
mod refusals;
mod tails;
mod workers;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Edge, cache, postgres};

/// The last one for Node.js 20, and a recent one, which needs Node.js 22.
const OLD: &str = "4.86.0";
const NEW: &str = "4.164.0";

/// A wrangler, an edge that it talks to, and a project that it works on.
struct Wrangler {
    program: PathBuf,
    edge: Edge,
    project: tempfile::TempDir,
    token: String,
}

/// What a command printed, and what it ended with.
struct Ended {
    code: Option<i32>,
    text: String,
}

impl Wrangler {
    /// Nothing where it is not installed.
    fn start(version: &str, options: &[&str]) -> Option<Self> {
        let home = cache().join(format!("wrangler-{version}"));
        let program = home.join("wrangler");
        if !program.exists() {
            println!("skipped: {} is not there (scripts/setup test installs it)", program.display());
            return None;
        }
        let edge = Edge::start_with(options);
        let token = edge.token();
        Some(Wrangler { program, edge, project: tempfile::tempdir().unwrap(), token })
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words(arguments))
            .current_dir(self.project.path())
            .env("CLOUDFLARE_API_BASE_URL", format!("http://{}/client/v4", self.edge.addresses.api))
            .env("CLOUDFLARE_API_TOKEN", &self.token)
            .env("CLOUDFLARE_ACCOUNT_ID", "local")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("NO_UPDATE_NOTIFIER", "1")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("CI", "1")
            .env("HOME", self.project.path())
            // Half of a command's time is reading wrangler.
            .env("NODE_COMPILE_CACHE", cache().join("node-compile-cache"))
            .env("NO_COLOR", "1")
            .env("FORCE_COLOR", "0");
        command
    }

    /// Runs a command, with something to read on its standard input.
    fn run_with(&self, arguments: &str, input: &str) -> Ended {
        let given = self.project.path().join(".input");
        fs::write(&given, input).unwrap();
        let output = self.command(arguments).stdin(fs::File::open(&given).unwrap()).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("$ wrangler {arguments}\n{text}\n→ {:?}\n", output.status.code());
        Ended { code: output.status.code(), text }
    }

    /// Runs a command as on a terminal, where its questions get their default answers. Nothing where no program makes one.
    fn on_terminal(&self, arguments: &str) -> Option<Ended> {
        let version = Command::new("script").arg("--version").output().ok()?;
        if !String::from_utf8_lossy(&version.stdout).contains("util-linux") {
            return None;
        }
        let alone = self.command("");
        let mut command = Command::new("script");
        command.args(["-qefc", &format!("'{}' {arguments}", self.program.display()), "/dev/null"]);
        command
            .current_dir(self.project.path())
            .envs(alone.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("$ wrangler {arguments}, on a terminal\n{text}\n→ {:?}\n", output.status.code());
        Some(Ended { code: output.status.code(), text })
    }

    /// Whether it is the recent one.
    fn is_new(&self) -> bool {
        self.program.to_string_lossy().contains(NEW)
    }

    /// Runs a command that must succeed and print each of these.
    #[track_caller]
    fn good(&self, arguments: &str, expected: &[&str]) -> String {
        self.good_with(arguments, "", expected)
    }

    #[track_caller]
    fn good_with(&self, arguments: &str, input: &str, expected: &[&str]) -> String {
        let Ended { code, text } = self.run_with(arguments, input);
        assert_eq!(code, Some(0), "wrangler {arguments}: {text}");
        for words in expected {
            assert!(text.contains(words), "wrangler {arguments} does not say {words:?}: {text}");
        }
        text
    }

    /// Runs a command that must fail with each of these, and without a stack trace.
    #[track_caller]
    fn bad(&self, arguments: &str, expected: &[&str]) {
        let Ended { code, text } = self.run_with(arguments, "");
        assert_eq!(code, Some(1), "wrangler {arguments}: {text}");
        for words in expected {
            assert!(text.contains(words), "wrangler {arguments} does not say {words:?}: {text}");
        }
        assert!(!text.contains("wrangler-dist"), "a stack trace: {text}");
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.project.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn configure(&self, configuration: &Value) {
        self.write("wrangler.json", configuration.to_string());
    }

    /// What the Worker says of itself.
    #[track_caller]
    fn ask(&self, worker: &str) -> Value {
        let answer = self.edge.get(worker, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// Splits at spaces; what is in quotes stays whole.
fn words(arguments: &str) -> Vec<String> {
    arguments
        .split('"')
        .enumerate()
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[track_caller]
fn uuid_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .find(|word| word.len() == 36 && word.matches('-').count() == 4)
        .unwrap_or_else(|| panic!("no UUID in {text}"))
        .to_owned()
}

fn after<'a>(text: &'a str, words: &str) -> &'a str {
    text.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {text}")).1
}

/// `delete`, and what goes before it.
fn deletion(wrangler: &Wrangler, service: &str) {
    wrangler.bad(&format!("vpc service delete {service}"), &["shop"]);
    wrangler.good("delete --force", &["Successfully deleted shop"]);
    assert_eq!(wrangler.edge.get("shop", "/").status, 404);
    wrangler.bad("tunnel delete warehouse --force", &["api"]);
    wrangler.good(&format!("vpc service delete {service}"), &["Deleted"]);
    wrangler.good("vpc service list", &["No VPC services found"]);
    wrangler.good("tunnel delete warehouse --force", &["warehouse"]);
}

fn everything(version: &str, options: &[&str]) {
    let Some(mut wrangler) = Wrangler::start(version, options) else {
        return;
    };
    wrangler.good("whoami", &["admin@localhost", "Local", "local"]);
    let (tunnel, connector) = private::tunnels(&wrangler);
    let private = private::Service::start();
    let service = private::services(&wrangler, &tunnel, private.port);
    let configuration = workers::configuration(&service, &tunnel);
    workers::deployments(&wrangler, &configuration);
    workers::versions(&wrangler, &configuration);
    workers::secrets(&wrangler);
    tails::tails(&wrangler, &private);
    workers::parts(&wrangler);
    workers::custom_domains(&wrangler);
    workers::observability(&wrangler);
    refusals::refusals(&wrangler, &configuration);
    refusals::permissions(&mut wrangler, &configuration, &service, &tunnel);
    workers::cron_triggers(&wrangler);
    deletion(&wrangler, &service);
    drop(connector);
    // wrangler tries again what failed by a fault of the server; nothing did.
    let log = wrangler.edge.log();
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
}

#[test]
fn an_old_wrangler_does_everything() {
    everything(OLD, &[]);
}

#[test]
fn a_new_wrangler_does_everything_on_postgresql() {
    let Some(database) = postgres() else {
        return;
    };
    everything(NEW, &["--database", &database]);
}
