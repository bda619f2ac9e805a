//! `culvert vpc …`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{Api, ById, Call};

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
    Create(Box<Call<ServiceCreate>>),
    /// Show all services
    List(Api),
    /// Show one service
    Get(Call<ById>),
    /// Replace a service's registration; certificates and the policy stay unless they are given
    Update(Box<Call<ServiceUpdate>>),
    /// Remove a service
    Delete(Call<ById>),
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
    #[arg(long, value_name = "IP,…", value_delimiter = ',', requires = "hostname", conflicts_with_all = ["ipv4", "ipv6"])]
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
    /// Who signs its certificate, when that is no public authority: the id of an uploaded certificate; none for public ones
    #[arg(long, value_name = "ID")]
    pub certificate_authority: Option<CertificateId>,
    /// The certificate that it is shown: the id of an uploaded one with its key; none for none
    #[arg(long, value_name = "ID")]
    pub client_certificate: Option<CertificateId>,
    /// Timeouts and limits that differ from the defaults, as JSON: {"read_timeout_ms": 2000, "allowed_methods": ["GET"]}
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    pub policy: Option<serde_json::Value>,
}

/// An uploaded certificate, or that there is to be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateId(pub Option<Uuid>);

impl std::str::FromStr for CertificateId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let id = text.parse().map_err(|_| format!("`{text}` is not the id of a certificate, nor `none`"))?;
        Ok(Self(Some(id)))
    }
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
}
