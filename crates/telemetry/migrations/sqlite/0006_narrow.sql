-- What overviews add up by Worker, and by category, without reading whole rows: a row of worker_metrics has three sketches beside its
-- sums, and most questions ask for the sums.

CREATE INDEX worker_metrics_sums ON worker_metrics (resolution, bucket, worker, version, requests, failed, subrequests);
CREATE INDEX connection_counts_failures ON connection_counts (category, resolution, bucket, code, service, worker, attempts)
    WHERE code > 0;

-- An attempt may be asked for by two things that hardly ever meet, a service and a Worker for example. So the index of each also has the
-- others, and all attempts of the one are looked through without their rows.
DROP INDEX connections_by_service;
DROP INDEX connections_by_tunnel;
DROP INDEX connections_by_connector;
DROP INDEX connections_by_worker;
CREATE INDEX connections_by_service ON connections (service, key, worker, connector);
CREATE INDEX connections_by_tunnel ON connections (tunnel, key, worker);
CREATE INDEX connections_by_connector ON connections (connector, key, service, worker) WHERE connector IS NOT NULL;
CREATE INDEX connections_by_worker ON connections (worker, key, tunnel);
CREATE INDEX failures_by_connector ON connections (connector) WHERE code IS NOT NULL AND connector IS NOT NULL;
CREATE INDEX canceled_by_connector ON connections (connector) WHERE canceled = 1 AND connector IS NOT NULL;
