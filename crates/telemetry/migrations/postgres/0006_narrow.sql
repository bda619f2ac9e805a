-- What overviews add up by Worker, and by category, without reading whole rows: a row of worker_metrics has three sketches beside its
-- sums, and most questions ask for the sums.

CREATE INDEX worker_metrics_sums ON worker_metrics (resolution, bucket) INCLUDE (worker, version, requests, failed, subrequests);
CREATE INDEX connection_counts_failures ON connection_counts (category, resolution, bucket)
    INCLUDE (code, service, worker, attempts) WHERE code > 0;

CREATE INDEX failures_by_connector ON connections (connector, key) WHERE code IS NOT NULL AND connector IS NOT NULL;
CREATE INDEX canceled_by_connector ON connections (connector, key) WHERE canceled AND connector IS NOT NULL;
