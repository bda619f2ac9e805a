//! Workers' requests to others: to VPC Services through `vpc`, to the public network otherwise.

use connection_error::{ConnectionError, ErrorCode, Phase};
use http::Response;
use invocation::{Body, BoxFuture, FetchError, Outbound, Subrequest, Target};
use vpc::{Caller, Vpc};

use super::public_network::PublicNetwork;
use super::serving::Current;

/// Carries out what Workers ask for.
pub struct Outbounds {
    current: Current,
    vpc: Vpc,
    public: PublicNetwork,
}

impl Outbounds {
    /// Reaches the services that `current` says.
    pub fn new(current: Current, vpc: Vpc, public: PublicNetwork) -> Self {
        Self { current, vpc, public }
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
                Box::pin(async move {
                    let Some(service) = service else {
                        let detail = format!(
                            "service {id} does not exist any more; deploy the Worker again with the id of one that does"
                        );
                        let error = ConnectionError {
                            ray_id: Some(ray_id.to_string()),
                            ..ConnectionError::new(ErrorCode::DestinationNotFound, Phase::Route, detail)
                        };
                        return Err(FetchError::Connection(Box::new(error)));
                    };
                    let caller = Caller { worker, invocation, ray_id };
                    vpc.fetch(service, request, caller).await.map_err(FetchError::Connection)
                })
            }
        }
    }
}
