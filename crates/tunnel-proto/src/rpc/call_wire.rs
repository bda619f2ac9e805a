//! The Cap'n Proto forms of calls and results.

use super::RpcError;
use super::call::{
    Call, ClientInfo, ConfigurationUpdate, ConnectionDetails, ConnectionOptions, Method, RegisterConnection,
    RegisterUdpSession, RegistrationRefusal, Reply, UdpSession, UnregisterUdpSession,
};
use crate::connector::Features;
use crate::frame::FrameError;
use crate::tunnel_rpc_capnp as schema;
use capnp::any_pointer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use uuid::Uuid;

impl Call {
    pub(super) fn write(&self, content: any_pointer::Builder<'_>) {
        match self {
            Self::RegisterConnection(call) => {
                let mut params =
                    content.init_as::<schema::registration_server::register_connection_params::Builder<'_>>();
                let mut auth = params.reborrow().init_auth();
                auth.set_account_tag(call.account.as_str());
                auth.set_tunnel_secret(&call.secret);
                params.set_tunnel_id(call.tunnel.as_bytes());
                params.set_conn_index(call.connection_index);
                call.options.write(params.init_options());
            }
            Self::UnregisterConnection => {
                content.init_as::<schema::registration_server::unregister_connection_params::Builder<'_>>();
            }
            Self::UpdateLocalConfiguration(configuration) => {
                content
                    .init_as::<schema::registration_server::update_local_configuration_params::Builder<'_>>()
                    .set_config(configuration);
            }
            Self::RegisterUdpSession(call) => {
                let mut params = content.init_as::<schema::session_manager::register_udp_session_params::Builder<'_>>();
                params.set_session_id(call.session.as_bytes());
                match call.destination.ip() {
                    IpAddr::V4(address) => params.set_dst_ip(&address.octets()),
                    IpAddr::V6(address) => params.set_dst_ip(&address.octets()),
                }
                params.set_dst_port(call.destination.port());
                params.set_close_after_idle_hint(nanoseconds(call.close_after_idle));
                params.set_trace_context(call.trace_context.as_str());
            }
            Self::UnregisterUdpSession(call) => {
                let mut params =
                    content.init_as::<schema::session_manager::unregister_udp_session_params::Builder<'_>>();
                params.set_session_id(call.session.as_bytes());
                params.set_message(call.message.as_str());
            }
            Self::UpdateConfiguration { version, configuration } => {
                let mut params =
                    content.init_as::<schema::configuration_manager::update_configuration_params::Builder<'_>>();
                params.set_version(*version);
                params.set_config(configuration);
            }
        }
    }

    pub(super) fn read(method: Method, content: any_pointer::Reader<'_>) -> Result<Self, RpcError> {
        Ok(match method {
            Method::RegisterConnection => {
                let params = content.get_as::<schema::registration_server::register_connection_params::Reader<'_>>()?;
                let auth = params.get_auth()?;
                Self::RegisterConnection(RegisterConnection {
                    account: text(auth.get_account_tag()?)?,
                    secret: auth.get_tunnel_secret()?.to_vec(),
                    tunnel: uuid(params.get_tunnel_id()?, "tunnelId")?,
                    connection_index: params.get_conn_index(),
                    options: ConnectionOptions::read(params.get_options()?)?,
                })
            }
            Method::UnregisterConnection => Self::UnregisterConnection,
            Method::UpdateLocalConfiguration => {
                let params =
                    content.get_as::<schema::registration_server::update_local_configuration_params::Reader<'_>>()?;
                Self::UpdateLocalConfiguration(params.get_config()?.to_vec())
            }
            Method::RegisterUdpSession => {
                let params = content.get_as::<schema::session_manager::register_udp_session_params::Reader<'_>>()?;
                let address =
                    address(params.get_dst_ip()?)?.ok_or_else(|| malformed("dstIp has neither 4 nor 16 bytes"))?;
                Self::RegisterUdpSession(RegisterUdpSession {
                    session: uuid(params.get_session_id()?, "sessionId")?,
                    destination: SocketAddr::new(address, params.get_dst_port()),
                    close_after_idle: duration(params.get_close_after_idle_hint()),
                    trace_context: text(params.get_trace_context()?)?,
                })
            }
            Method::UnregisterUdpSession => {
                let params = content.get_as::<schema::session_manager::unregister_udp_session_params::Reader<'_>>()?;
                Self::UnregisterUdpSession(UnregisterUdpSession {
                    session: uuid(params.get_session_id()?, "sessionId")?,
                    message: text(params.get_message()?)?,
                })
            }
            Method::UpdateConfiguration => {
                let params =
                    content.get_as::<schema::configuration_manager::update_configuration_params::Reader<'_>>()?;
                Self::UpdateConfiguration {
                    version: params.get_version(),
                    configuration: params.get_config()?.to_vec(),
                }
            }
        })
    }
}

impl Reply {
    pub(super) fn write(&self, content: any_pointer::Builder<'_>) {
        match self {
            Self::RegisterConnection(result) => {
                let results =
                    content.init_as::<schema::registration_server::register_connection_results::Builder<'_>>();
                let response = results.init_result().init_result();
                match result {
                    Ok(details) => {
                        let mut wire = response.init_connection_details();
                        wire.set_uuid(details.id.as_bytes());
                        wire.set_location_name(details.location.as_str());
                        wire.set_tunnel_is_remotely_managed(details.remotely_managed);
                    }
                    Err(refusal) => {
                        let mut wire = response.init_error();
                        wire.set_cause(refusal.cause.as_str());
                        wire.set_retry_after(nanoseconds(refusal.retry_after));
                        wire.set_should_retry(refusal.should_retry);
                    }
                }
            }
            Self::UnregisterConnection => {
                content.init_as::<schema::registration_server::unregister_connection_results::Builder<'_>>();
            }
            Self::UpdateLocalConfiguration => {
                content.init_as::<schema::registration_server::update_local_configuration_results::Builder<'_>>();
            }
            Self::RegisterUdpSession(session) => {
                let results = content.init_as::<schema::session_manager::register_udp_session_results::Builder<'_>>();
                let mut wire = results.init_result();
                if !session.error.is_empty() {
                    wire.set_err(session.error.as_str());
                }
                if !session.spans.is_empty() {
                    wire.set_spans(&session.spans);
                }
            }
            Self::UnregisterUdpSession => {
                content.init_as::<schema::session_manager::unregister_udp_session_results::Builder<'_>>();
            }
            Self::UpdateConfiguration(update) => {
                let results =
                    content.init_as::<schema::configuration_manager::update_configuration_results::Builder<'_>>();
                let mut wire = results.init_result();
                wire.set_latest_applied_version(update.latest_applied_version);
                if !update.error.is_empty() {
                    wire.set_err(update.error.as_str());
                }
            }
        }
    }

    pub(super) fn read(method: Method, content: any_pointer::Reader<'_>) -> Result<Self, RpcError> {
        use schema::connection_response::result::Which;
        Ok(match method {
            Method::RegisterConnection => {
                let results =
                    content.get_as::<schema::registration_server::register_connection_results::Reader<'_>>()?;
                Self::RegisterConnection(match results.get_result()?.get_result().which()? {
                    Which::ConnectionDetails(details) => {
                        let details = details?;
                        Ok(ConnectionDetails {
                            id: uuid(details.get_uuid()?, "uuid")?,
                            location: text(details.get_location_name()?)?,
                            remotely_managed: details.get_tunnel_is_remotely_managed(),
                        })
                    }
                    Which::Error(refusal) => {
                        let refusal = refusal?;
                        Err(RegistrationRefusal {
                            cause: text(refusal.get_cause()?)?,
                            retry_after: duration(refusal.get_retry_after()),
                            should_retry: refusal.get_should_retry(),
                        })
                    }
                })
            }
            Method::UnregisterConnection => Self::UnregisterConnection,
            Method::UpdateLocalConfiguration => Self::UpdateLocalConfiguration,
            Method::RegisterUdpSession => {
                let results = content.get_as::<schema::session_manager::register_udp_session_results::Reader<'_>>()?;
                let result = results.get_result()?;
                Self::RegisterUdpSession(UdpSession {
                    error: text(result.get_err()?)?,
                    spans: result.get_spans()?.to_vec(),
                })
            }
            Method::UnregisterUdpSession => Self::UnregisterUdpSession,
            Method::UpdateConfiguration => {
                let results =
                    content.get_as::<schema::configuration_manager::update_configuration_results::Reader<'_>>()?;
                let result = results.get_result()?;
                Self::UpdateConfiguration(ConfigurationUpdate {
                    latest_applied_version: result.get_latest_applied_version(),
                    error: text(result.get_err()?)?,
                })
            }
        })
    }
}

impl ConnectionOptions {
    fn write(&self, mut wire: schema::connection_options::Builder<'_>) {
        let mut client = wire.reborrow().init_client();
        client.set_client_id(self.client.id.as_bytes());
        client.set_version(self.client.version.as_str());
        client.set_arch(self.client.platform.as_str());
        let names = self.client.features.names();
        let mut features = client.init_features(names.len() as u32);
        for (index, name) in names.iter().enumerate() {
            features.set(index as u32, name.as_str());
        }
        if let Some(address) = self.origin_local_ip {
            let address = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            wire.set_origin_local_ip(&address.octets());
        }
        wire.set_replace_existing(self.replace_existing);
        wire.set_compression_quality(self.compression_quality);
        wire.set_num_previous_attempts(self.previous_attempts);
    }

    fn read(wire: schema::connection_options::Reader<'_>) -> Result<Self, RpcError> {
        let client = wire.get_client()?;
        let mut features = Vec::new();
        for name in client.get_features()?.iter().take(crate::connector::MAX_FEATURES) {
            features.push(text(name?)?);
        }
        Ok(Self {
            client: ClientInfo {
                id: uuid(client.get_client_id()?, "clientId")?,
                features: Features::new(features),
                version: text(client.get_version()?)?,
                platform: text(client.get_arch()?)?,
            },
            origin_local_ip: address(wire.get_origin_local_ip()?)?,
            replace_existing: wire.get_replace_existing(),
            compression_quality: wire.get_compression_quality(),
            previous_attempts: wire.get_num_previous_attempts(),
        })
    }
}

fn malformed(what: &str) -> RpcError {
    RpcError::Frame(FrameError::Malformed(what.to_owned()))
}

fn uuid(bytes: &[u8], field: &str) -> Result<Uuid, RpcError> {
    Uuid::from_slice(bytes).map_err(|_| malformed(&format!("{field} has {} bytes instead of 16", bytes.len())))
}

fn text(text: capnp::text::Reader<'_>) -> Result<String, RpcError> {
    text.to_string().map_err(|_| malformed("a text is not UTF-8"))
}

/// No bytes mean no address; an IPv4 address may come in its 16-byte form.
fn address(bytes: &[u8]) -> Result<Option<IpAddr>, RpcError> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(Some(IpAddr::V4(Ipv4Addr::from(octets))));
    }
    if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
        return Ok(Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()));
    }
    if bytes.is_empty() { Ok(None) } else { Err(malformed("an address has neither 4 nor 16 bytes")) }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}
