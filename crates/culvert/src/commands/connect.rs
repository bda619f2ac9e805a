//! `culvert connect`: the private network's end of a tunnel.

use std::fs;
use std::time::Duration;

use tunnel::Token;
use tunnel::connector::{AllowRule, Connector, ConnectorOptions, DestinationPolicy, Protocol};

use super::log;
use super::signals::until_told_to_stop;
use crate::cli::{self, ConnectProtocol};
use crate::failure::Failure;

/// Connects until SIGTERM or SIGINT, then lets open flows end.
pub fn run(arguments: cli::Connect) -> Result<(), Failure> {
    let token = Token::decode(arguments.token.trim()).map_err(|error| {
        Failure::usage(format!("the token cannot be used: {error}. `culvert tunnel token NAME` prints the right one"))
    })?;
    let rules: Vec<AllowRule> = arguments
        .allow
        .iter()
        .map(|rule| rule.parse())
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(format!("--allow: {error}")))?;
    let ca_pem = arguments
        .ca
        .as_ref()
        .map(|path| fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error)))
        .transpose()?;
    let options = ConnectorOptions {
        ca_pem,
        metrics: arguments.metrics,
        allow: DestinationPolicy::new(rules),
        grace_period: Duration::from_secs(arguments.grace_period),
        dns_resolvers: arguments.dns_resolver,
        protocol: match arguments.protocol {
            ConnectProtocol::Auto => Protocol::Auto,
            ConnectProtocol::Quic => Protocol::Quic,
            ConnectProtocol::Http2 => Protocol::Http2,
        },
        ..ConnectorOptions::new(token, arguments.edge)
    };
    log::start();
    super::event_loop(super::half_the_processors())?.block_on(async {
        let connector = Connector::new(options).map_err(|error| Failure::failed(error.to_string()))?;
        if let Some(address) = connector.metrics_addr() {
            tracing::info!("GET http://{address}/ready says whether it is connected");
        }
        let stopped = async {
            if let Err(failure) = until_told_to_stop().await {
                tracing::error!("{failure}");
            }
        };
        connector.run(stopped).await.map_err(|error| Failure::failed(error.to_string()))
    })
}
