//! Workers' requests to others: to VPC Services through `vpc`, to the public network otherwise.

use std::sync::Arc;

use connection_error::{ConnectionError, ErrorCode, Phase};
use http::Response;
use invocation::{Body, BoxFuture, FetchError, Outbound, Subrequest, Target};
use telemetry::{ConnectionEvent, Sink};
use time::OffsetDateTime;
use uuid::Uuid;
use vpc::{Caller, Vpc};

use super::public_network::PublicNetwork;
use super::serving::Current;

/// Carries out what Workers ask for.
pub struct Outbounds {
    current: Current,
    vpc: Vpc,
    public: PublicNetwork,
    sink: Arc<dyn Sink>,
}

impl Outbounds {
    /// Reaches the services that `current` says. The sink takes the attempts that end before `vpc` sees them.
    pub fn new(current: Current, vpc: Vpc, public: PublicNetwork, sink: Arc<dyn Sink>) -> Self {
        Self { current, vpc, public, sink }
    }
}

impl Outbound for Outbounds {
    fn fetch(&self, subrequest: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        let Subrequest { target, request, worker, invocation, ray_id } = subrequest;
        match target {
            Target::Public => {
                let public = self.public.clone();
                Box::pin(async move { public.fetch(request).await })
            }
            Target::VpcService(id) => {
                let service = self.current.load().services.get(&id).cloned();
                let vpc = self.vpc.clone();
                let sink = self.sink.clone();
                Box::pin(async move {
                    let Some(service) = service else {
                        let detail = format!(
                            "service {id} does not exist any more; deploy the Worker again with the id of one that does"
                        );
                        let error = ConnectionError {
                            ray_id: Some(ray_id.to_string()),
                            ..ConnectionError::new(ErrorCode::DestinationNotFound, Phase::Route, detail)
                        };
                        sink.connection(ConnectionEvent {
                            id: Uuid::new_v4(),
                            started: OffsetDateTime::now_utc(),
                            service: id,
                            service_name: String::new(),
                            tunnel: Uuid::nil(),
                            connector: None,
                            worker: worker.to_string(),
                            invocation,
                            ray_id,
                            address: None,
                            reused: false,
                            timings: error.timings,
                            status: None,
                            error: Some(error.clone()),
                        });
                        return Err(FetchError::Connection(Box::new(error)));
                    };
                    let caller = Caller { worker, invocation, ray_id };
                    vpc.fetch(service, request, caller).await.map_err(FetchError::Connection)
                })
            }
        }
    }
}
