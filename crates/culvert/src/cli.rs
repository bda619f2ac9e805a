//! The command line, as other people's scripts rely on it.

mod network_route;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::configuration::TelemetrySettings;

pub use network_route::{TunnelRoute, TunnelRouteAdd, TunnelRouteDelete};

/// Runs JavaScript Workers on machines you own, and lets them call private services through outbound-only tunnels.
#[derive(Debug, Parser)]
#[command(name = "culvert", version, max_term_width = 110, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything on one machine: a private service, a tunnel, Workers, traffic and failures
    Demo(Demo),
    /// Run the edge: visitors, the API, and the tunnels' listener
    Serve(Box<Serve>),
    /// Connect a private network to an edge through an outbound-only tunnel
    Connect(Connect),
    /// Deploy the Worker in a directory, as its wrangler.jsonc, wrangler.json or wrangler.toml says
    Deploy(Deploy),
    /// Private services that Workers can be bound to
    #[command(subcommand)]
    Vpc(Vpc),
    /// Tunnels from the edge into private networks
    #[command(subcommand)]
    Tunnel(Tunnel),
    /// Read the records of invocations, newest last
    Logs(Box<Logs>),
    /// Watch a Worker's invocations as they end
    Tail(Box<Tail>),
    /// Tokens for the API
    #[command(subcommand)]
    Token(Token),
    /// Connect to a private service now and say what each phase found
    Diagnose(Box<Diagnose>),
    /// Copy the configuration's database to a file, also while the edge runs
    Backup(Backup),
    /// Say what a connection error means and how to mend it
    Explain(Explain),
}

/// `culvert demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the last step: exit code 0 when every step did what it says, 1 otherwise
    #[arg(long)]
    pub once: bool,
    /// One of the demo's own processes; the demo starts them itself
    #[arg(long, value_enum, hide = true)]
    pub role: Option<DemoRole>,
    /// A role's own argument
    #[arg(long, hide = true, requires = "role")]
    pub at: Option<String>,
    /// A role's own argument
    #[arg(long, hide = true, requires = "role")]
    pub token: Option<String>,
}

/// The processes that make up the demo's private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoRole {
    /// The private HTTP service.
    PrivateService,
    /// The private network's end of the wire to the outside.
    WireInside,
}

/// `culvert serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Where everything is kept; made when it does not exist
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where visitors come in [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where the API is served [default: 127.0.0.1:8788]
    #[arg(long, value_name = "ADDR")]
    pub api: Option<SocketAddr>,
    /// Where connectors come in, by UDP and TCP [default: 127.0.0.1:7844]
    #[arg(long, value_name = "ADDR")]
    pub tunnel: Option<SocketAddr>,
    /// The database: sqlite:, a file in the data directory, or postgres://…, which several edges may share [default: sqlite:]
    #[arg(long, value_name = "URL", env = "CULVERT_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// The key that secrets are encrypted with, 64 hexadecimal digits; CULVERT_SECRETS_KEY may hold them instead
    /// [default: store.key in the data directory]
    #[arg(long, value_name = "FILE")]
    pub secrets_key_file: Option<PathBuf>,
    /// A TOML file with these options, named as here without the dashes; what is given here wins
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Let plain fetch() of Workers reach private, loopback and link-local addresses (bindings do not need it)
    #[arg(long)]
    pub allow_private_fetch: bool,
    /// Let the clocks of Workers run while code runs, instead of standing still between I/O as on Cloudflare
    #[arg(long)]
    pub running_clocks: bool,
    /// This edge's name in CDN-Loop and Proxy-Status headers; edges that pass requests to each other need different ones [default: culvert]
    #[arg(long, value_name = "NAME")]
    pub edge_name: Option<String>,
    /// Say in a Proxy-Status header (RFC 9209) why the edge answered by itself
    #[arg(long)]
    pub proxy_status: bool,
    /// Networks that no service may be in, besides those that are always forbidden; several times for several
    #[arg(long, value_name = "CIDR")]
    pub restrict: Vec<ipnet::IpNet>,
    /// How many CPU-milliseconds an invocation may be given at most, whatever its version asks for [default: 300000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=300_000))]
    pub max_cpu_ms: Option<u64>,
    /// How many isolates one Worker may have at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub max_isolates: Option<std::num::NonZeroUsize>,
    /// How many MiB of memory an isolate may use: heap, strings, buffers, WebAssembly, and what is held for it [default: 128]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..=4096))]
    pub isolate_memory_mib: Option<u32>,
    /// How many MiB of memory all isolates may use together [default: three quarters of the machine's, or of its cgroup's]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..))]
    pub isolates_memory_mib: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub telemetry: TelemetrySettings,
}

/// `culvert connect`
#[derive(Debug, Args)]
pub struct Connect {
    /// The tunnel's token, as `culvert tunnel token` prints it
    #[arg(long, value_name = "TOKEN", env = "TUNNEL_TOKEN", hide_env_values = true)]
    pub token: String,
    /// The edge; give it several times when there are several
    #[arg(long, value_name = "HOST:PORT", required = true)]
    pub edge: Vec<String>,
    /// The certificate authority of the edge, `tunnel-ca.pem` in its data directory [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Where to answer GET /ready and GET /metrics
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// How to reach the edge: QUIC over UDP, which names need; HTTP/2 over TCP; or whichever answers
    #[arg(long, value_enum, default_value = "auto")]
    pub protocol: ConnectProtocol,
    /// Destinations that may be connected to, `10.0.0.0/8` or `10.0.0.0/8:80,443`; several times for several [default: all]
    #[arg(long, value_name = "CIDR[:PORTS]")]
    pub allow: Vec<String>,
    /// Resolvers for the names of private services [default: those of /etc/resolv.conf]
    #[arg(long, value_name = "IP:PORT")]
    pub dns_resolver: Vec<SocketAddr>,
    /// How long flows may go on after SIGTERM, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub grace_period: u64,
}

/// How a connector reaches the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConnectProtocol {
    /// QUIC, and HTTP/2 as long as UDP gets no answer.
    Auto,
    /// QUIC only.
    Quic,
    /// HTTP/2 only.
    Http2,
}

/// Which API to talk to, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "API")]
pub struct Api {
    /// Where the edge serves its API
    #[arg(long = "api", value_name = "URL", env = "CULVERT_API", default_value = "http://127.0.0.1:8788")]
    pub url: String,
    /// An API token [default: the admin-token in --data-dir]
    #[arg(long = "api-token", value_name = "TOKEN", env = "CULVERT_API_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The edge's data directory, to take its admin-token from
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// `culvert deploy`
#[derive(Debug, Args)]
pub struct Deploy {
    /// The directory with the Worker
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// The Worker's name [default: `name` of the configuration]
    #[arg(long)]
    pub name: Option<String>,
    /// Bind a VPC Service, also in place of the configuration's
    #[arg(long, value_name = "BINDING=SERVICE_ID", value_parser = vpc_binding)]
    pub vpc_service: Vec<(String, Uuid)>,
    /// A message to keep with the version
    #[arg(long)]
    pub message: Option<String>,
    /// A tag to keep with the version
    #[arg(long)]
    pub tag: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

fn vpc_binding(text: &str) -> Result<(String, Uuid), String> {
    let (name, id) = text.split_once('=').ok_or("expected BINDING=SERVICE_ID")?;
    let id =
        id.parse().map_err(|_| format!("`{id}` is not the id of a service; `culvert vpc service list` shows them"))?;
    Ok((name.to_owned(), id))
}

/// `culvert vpc`
#[derive(Debug, Subcommand)]
pub enum Vpc {
    /// VPC Services
    #[command(subcommand)]
    Service(VpcService),
}

/// `culvert vpc service`
#[derive(Debug, Subcommand)]
pub enum VpcService {
    /// Register a private service
    Create(Box<ServiceCreate>),
    /// Show all services
    List(Listing),
    /// Show one service
    Get(ById),
    /// Replace a service's registration
    Update(Box<ServiceUpdate>),
    /// Remove a service
    Delete(ById),
}

/// The type of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceType {
    /// For `fetch()`.
    Http,
    /// For `connect()`.
    Tcp,
}

/// What a service is registered with.
#[derive(Debug, Args)]
pub struct ServiceFields {
    /// What it speaks
    #[arg(long = "type", value_enum)]
    pub kind: ServiceType,
    /// The tunnel into its network
    #[arg(long, value_name = "ID")]
    pub tunnel_id: Uuid,
    /// Its IPv4 address
    #[arg(long, value_name = "ADDR", conflicts_with = "hostname")]
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address
    #[arg(long, value_name = "ADDR", conflicts_with = "hostname")]
    pub ipv6: Option<Ipv6Addr>,
    /// Its host name, resolved inside the private network
    #[arg(long, value_name = "NAME", required_unless_present_any = ["ipv4", "ipv6"])]
    pub hostname: Option<String>,
    /// Resolvers for the host name [default: the connector's own]
    #[arg(long, value_name = "IP,…", value_delimiter = ',', requires = "hostname")]
    pub resolver_ips: Vec<IpAddr>,
    /// Its port for http: URLs [default: 80; giving only one of the two ports allows only that scheme]
    #[arg(long, value_name = "PORT", conflicts_with = "tcp_port")]
    pub http_port: Option<u16>,
    /// Its port for https: URLs [default: 443]
    #[arg(long, value_name = "PORT", conflicts_with = "tcp_port")]
    pub https_port: Option<u16>,
    /// Its TCP port, for --type tcp
    #[arg(long, value_name = "PORT")]
    pub tcp_port: Option<u16>,
    /// What it speaks over TCP: postgresql or mysql
    #[arg(long, value_name = "PROTOCOL", requires = "tcp_port")]
    pub app_protocol: Option<String>,
    /// How its certificate is checked: verify_full, verify_ca or disabled [default: verify_full]
    #[arg(long, value_name = "MODE")]
    pub cert_verification_mode: Option<String>,
    /// Timeouts and limits that differ from the defaults, as JSON: {"read_timeout_ms": 2000, "allowed_methods": ["GET"]}
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    pub policy: Option<serde_json::Value>,
}

/// An argument that must be a JSON object.
fn json_object(text: &str) -> Result<serde_json::Value, String> {
    match serde_json::from_str(text) {
        Ok(object @ serde_json::Value::Object(_)) => Ok(object),
        Ok(other) => Err(format!("{other} is not a JSON object")),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

/// `culvert vpc service create`
#[derive(Debug, Args)]
pub struct ServiceCreate {
    /// A name for people
    pub name: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub fields: ServiceFields,
    /// Print the service as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert vpc service update`
#[derive(Debug, Args)]
pub struct ServiceUpdate {
    /// The service's id
    pub id: Uuid,
    /// A name for people
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub fields: ServiceFields,
    /// Print the service as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// A listing.
#[derive(Debug, Args)]
pub struct Listing {
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// Something by its id.
#[derive(Debug, Args)]
pub struct ById {
    /// The id
    pub id: Uuid,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert tunnel`
#[derive(Debug, Subcommand)]
pub enum Tunnel {
    /// Make a tunnel and print how to connect it
    Create(TunnelCreate),
    /// Show all tunnels
    List(Listing),
    /// Show a tunnel's connectors, and what should be known of them
    Info(TunnelByName),
    /// Print a tunnel's token, for `culvert connect` and `cloudflared`
    Token(TunnelByName),
    /// Publish a private HTTP service at a host name
    Publish(TunnelPublish),
    /// Take a host name from a tunnel
    Unpublish(TunnelUnpublish),
    /// What is behind which tunnel, for VPC Networks
    #[command(subcommand)]
    Route(TunnelRoute),
    /// Remove a tunnel and cut its connections
    Delete(TunnelByName),
}

/// `culvert tunnel publish`
#[derive(Debug, Args)]
pub struct TunnelPublish {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
    /// The host name; `*.` at its beginning stands for every name below
    pub hostname: String,
    /// Where the connector reaches the service, for example http://10.0.0.5:8080; leave it out when the connector's own
    /// configuration file says so
    #[arg(long, value_name = "URL")]
    pub service: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert tunnel unpublish`
#[derive(Debug, Args)]
pub struct TunnelUnpublish {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
    /// The host name
    pub hostname: String,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert tunnel create`
#[derive(Debug, Args)]
pub struct TunnelCreate {
    /// A name for people
    pub name: String,
    /// Print the tunnel as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// A tunnel by its id or its name.
#[derive(Debug, Args)]
pub struct TunnelByName {
    /// The tunnel's id or name
    #[arg(value_name = "ID|NAME")]
    pub tunnel: String,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Of this Worker
    #[arg(long, value_name = "NAME")]
    pub worker: Option<String>,
    /// Of this version
    #[arg(long, value_name = "ID")]
    pub version_id: Option<Uuid>,
    /// That ended so: ok, exception, exceededCpu, … or `error` for every failure of the Worker; commas between several
    #[arg(long, value_name = "OUTCOME,…")]
    pub outcome: Option<String>,
    /// That were answered with this status (404) or class (5xx)
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// With this text in the URL, a console line or an exception
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Of the request with this ray id
    #[arg(long, value_name = "RAY")]
    pub ray_id: Option<String>,
    /// That used at least so much CPU time
    #[arg(long, value_name = "MS")]
    pub min_cpu_ms: Option<f64>,
    /// That began then or later: a time, or a time ago such as 15m, 6h, 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// That began before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Print one record a line as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert tail`
#[derive(Debug, Args)]
pub struct Tail {
    /// The Worker's name
    pub worker: String,
    /// That ended so; several times or with commas for several
    #[arg(long, value_enum, value_delimiter = ',')]
    pub status: Vec<TailStatus>,
    /// With this method; several times or with commas for several
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub method: Vec<String>,
    /// With this header, or with this text in it
    #[arg(long, value_name = "NAME[:TEXT]")]
    pub header: Vec<String>,
    /// From this address; `self` is yours
    #[arg(long, value_name = "IP")]
    pub ip: Vec<String>,
    /// With this text in a console line
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Of this version
    #[arg(long, value_name = "ID")]
    pub version_id: Option<Uuid>,
    /// Only this share of them, 0 to 1
    #[arg(long, value_name = "RATE")]
    pub sampling_rate: Option<f64>,
    /// Print one event a line as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// How an invocation ended, as a tail is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailStatus {
    /// The Worker answered.
    Ok,
    /// The Worker failed: an exception, or a limit.
    Error,
    /// The visitor went away.
    Canceled,
}

impl TailStatus {
    /// The outcomes that are meant.
    pub const fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Ok => &["ok"],
            Self::Error => {
                &["exception", "exceededCpu", "exceededMemory", "exceededWallTime", "internalError", "loadShed"]
            }
            Self::Canceled => &["canceled", "responseStreamDisconnected"],
        }
    }
}

/// `culvert token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it; it is shown this once
    Create(TokenCreate),
    /// Show all tokens
    List(Listing),
    /// Make a token useless from now on
    Revoke(ById),
}

/// `culvert token create`
#[derive(Debug, Args)]
pub struct TokenCreate {
    /// A name for people
    pub name: String,
    /// What it may do, `workers-scripts.read` for example; several times or with commas for several
    #[arg(long = "permission", value_name = "PERMISSION", required = true, value_delimiter = ',')]
    pub permissions: Vec<String>,
    /// When it expires, as in 2030-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// Print the token as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// `culvert diagnose`
#[derive(Debug, Args)]
pub struct Diagnose {
    /// The VPC Service's id or name
    #[arg(value_name = "ID|NAME")]
    pub service: String,
    /// By this scheme [default: https where a port is registered for it, http otherwise]
    #[arg(long, value_enum)]
    pub scheme: Option<UrlScheme>,
    /// With this Host, also the name that the certificate must have [default: the service's host name or address]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Ask for this path [default: the first that the service's policy allows]
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Through this connector [default: the one that requests take]
    #[arg(long, value_name = "ID")]
    pub connector: Option<Uuid>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub api: Api,
}

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UrlScheme {
    /// Plain.
    Http,
    /// With TLS.
    Https,
}

impl UrlScheme {
    /// The spelling in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// `culvert backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// The edge's data directory
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

/// `culvert explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The code in `ProxyError: CODE`; all of them when it is left out
    pub code: Option<String>,
    /// Print the rows as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
