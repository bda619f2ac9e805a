-- Metrics: exact counts and mergeable quantile sketches by the minute, the hour and the day. A bucket is a time in units of
-- its resolution since 1970; a row holds all of its bucket that was flushed, by whichever edge, and is replaced as a whole.

CREATE TABLE worker_metrics (
    resolution BIGINT NOT NULL, -- seconds: 60, 3600 or 86400
    bucket     BIGINT NOT NULL,
    worker     BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    counts     TEXT   NOT NULL, -- JSON
    cpu        BYTEA  NOT NULL, -- sketches, in the encoding that the DDSketch libraries share
    wall       BYTEA  NOT NULL,
    memory     BYTEA  NOT NULL
);
CREATE UNIQUE INDEX worker_metrics_by_bucket ON worker_metrics (resolution, bucket, worker, version);
CREATE INDEX worker_metrics_by_worker ON worker_metrics (worker, resolution, bucket);

CREATE TABLE connection_latencies (
    resolution BIGINT NOT NULL,
    bucket     BIGINT NOT NULL,
    service    BIGINT NOT NULL,
    tunnel     BIGINT NOT NULL,
    dns        BYTEA  NOT NULL,
    connect    BYTEA  NOT NULL,
    tls        BYTEA  NOT NULL,
    first_byte BYTEA  NOT NULL
);
CREATE UNIQUE INDEX connection_latencies_by_bucket ON connection_latencies (resolution, bucket, service, tunnel);
CREATE INDEX connection_latencies_by_service ON connection_latencies (service, resolution, bucket);
CREATE INDEX connection_latencies_by_tunnel ON connection_latencies (tunnel, resolution, bucket);

CREATE TABLE connection_counts (
    resolution BIGINT NOT NULL,
    bucket     BIGINT NOT NULL,
    service    BIGINT NOT NULL,
    tunnel     BIGINT NOT NULL,
    connector  BIGINT NOT NULL, -- 0: none was reached
    worker     BIGINT NOT NULL,
    code       BIGINT NOT NULL, -- 0: no failure
    category   BIGINT NOT NULL, -- 0: no failure
    attempts   BIGINT NOT NULL,
    reused     BIGINT NOT NULL
);
CREATE UNIQUE INDEX connection_counts_by_bucket
    ON connection_counts (resolution, bucket, service, tunnel, connector, worker, code, category);
CREATE INDEX connection_counts_by_service ON connection_counts (service, resolution, bucket);
CREATE INDEX connection_counts_by_tunnel ON connection_counts (tunnel, resolution, bucket);
CREATE INDEX connection_counts_by_worker ON connection_counts (worker, resolution, bucket);
