//! What Workers ask of others: of VPC Services through `vpc`, of other Workers, of the public network.

use std::sync::Arc;

use connection_error::{ConnectionError, ErrorCode, Phase};
use http::Response;
use invocation::{
    Answer, Body, BoxFuture, CallFailed, Caller, Connect, FetchError, Outbound, Socket, Subrequest, Target, Upgraded,
    WorkerCall,
};
use telemetry::{ConnectionEvent, Sink};
use time::OffsetDateTime;
use uuid::Uuid;
use vpc::{Service, Vpc};

use super::dispatcher::Callable;
use super::public_network::PublicNetwork;
use super::public_sockets::PublicSockets;
use super::serving::Current;

/// Carries out what Workers ask for.
pub struct Outbounds {
    /// The services and networks that exist.
    pub current: Current,
    /// The way to them.
    pub vpc: Vpc,
    /// `fetch()` without a binding.
    pub public: PublicNetwork,
    /// `connect()` without a binding.
    pub sockets: PublicSockets,
    /// Other Workers.
    pub workers: Callable,
    /// Takes the attempts that end before `vpc` sees them.
    pub sink: Arc<dyn Sink>,
}

impl Outbounds {
    /// A service that exists, or the failure of an attempt to reach one that does not.
    fn service(&self, id: Uuid, caller: &Caller) -> Result<Arc<Service>, FetchError> {
        if let Some(service) = self.current.load().services.get(&id) {
            return Ok(service.clone());
        }
        let detail =
            format!("service {id} does not exist any more; deploy the Worker again with the id of one that does");
        let error = ConnectionError {
            ray_id: Some(caller.ray_id.to_string()),
            ..ConnectionError::new(ErrorCode::DestinationNotFound, Phase::Route, detail)
        };
        self.sink.connection(ConnectionEvent {
            id: Uuid::new_v4(),
            started: OffsetDateTime::now_utc(),
            service: id,
            service_name: String::new(),
            tunnel: Uuid::nil(),
            connector: None,
            worker: caller.worker.to_string(),
            invocation: caller.invocation,
            ray_id: caller.ray_id,
            address: None,
            reused: false,
            timings: error.timings,
            status: None,
            error: Some(error.clone()),
            canceled: false,
            trace: caller.trace,
        });
        Err(FetchError::Connection(Box::new(error)))
    }
}

impl Outbound for Outbounds {
    fn call(&self, call: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        self.workers.call(call)
    }

    fn fetch(&self, subrequest: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        let Subrequest { target, request, caller } = subrequest;
        match target {
            Target::Public => {
                let public = self.public.clone();
                Box::pin(async move { public.fetch(request).await })
            }
            Target::VpcService(id) => {
                let (service, vpc) = (self.service(id, &caller), self.vpc.clone());
                Box::pin(async move { Ok(with_connection(vpc.fetch(service?, request, caller).await?)) })
            }
            Target::VpcNetwork(which) => {
                let (network, vpc) = (self.current.load().networks.get(which), self.vpc.clone());
                Box::pin(async move { Ok(with_connection(vpc.fetch_on_network(&network, request, caller).await?)) })
            }
        }
    }

    fn connect(&self, connect: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        let Connect { target, host, port, tls, caller } = connect;
        let vpc = self.vpc.clone();
        match target {
            Target::Public => {
                let sockets = self.sockets.clone();
                Box::pin(async move { sockets.connect(&host, port, tls).await })
            }
            Target::VpcService(id) => {
                let service = self.service(id, &caller);
                Box::pin(async move { secured(vpc.connect(service?, caller).await?, tls).await })
            }
            Target::VpcNetwork(which) => {
                let network = self.current.load().networks.get(which);
                Box::pin(
                    async move { secured(vpc.connect_on_network(&network, &host, port, caller).await?, tls).await },
                )
            }
        }
    }
}

/// The response; the connection of a `101` as Workers take it.
fn with_connection(mut response: Response<Body>) -> Response<Body> {
    let upgraded = response.extensions_mut().remove::<vpc::Upgraded>();
    if let Some(connection) = upgraded.and_then(|upgraded| upgraded.take()) {
        response.extensions_mut().insert(Upgraded::new(connection));
    }
    response
}

/// The connection, in TLS where it is asked for from the first byte.
async fn secured(connection: vpc::TcpConnection, tls: Option<String>) -> Result<Box<dyn Socket>, FetchError> {
    Ok(match tls {
        None => Box::new(connection),
        Some(name) => Box::new(connection.start_tls(&name).await?),
    })
}
