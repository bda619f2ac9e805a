-- Metrics: exact counts and mergeable quantile sketches by the minute, the hour and the day. A bucket is a time in units of
-- its resolution since 1970; a row holds all of its bucket that was flushed, and is replaced as a whole.

CREATE TABLE worker_metrics (
    resolution INTEGER NOT NULL, -- seconds: 60, 3600 or 86400
    bucket     INTEGER NOT NULL,
    worker     INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    counts     TEXT    NOT NULL, -- JSON
    cpu        BLOB    NOT NULL, -- sketches, in the encoding that the DDSketch libraries share
    wall       BLOB    NOT NULL,
    memory     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX worker_metrics_by_bucket ON worker_metrics (resolution, bucket, worker, version);
CREATE INDEX worker_metrics_by_worker ON worker_metrics (worker, resolution, bucket);

CREATE TABLE connection_latencies (
    resolution INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,
    service    INTEGER NOT NULL,
    tunnel     INTEGER NOT NULL,
    dns        BLOB    NOT NULL,
    connect    BLOB    NOT NULL,
    tls        BLOB    NOT NULL,
    first_byte BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX connection_latencies_by_bucket ON connection_latencies (resolution, bucket, service, tunnel);
CREATE INDEX connection_latencies_by_service ON connection_latencies (service, resolution, bucket);
CREATE INDEX connection_latencies_by_tunnel ON connection_latencies (tunnel, resolution, bucket);

CREATE TABLE connection_counts (
    resolution INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,
    service    INTEGER NOT NULL,
    tunnel     INTEGER NOT NULL,
    connector  INTEGER NOT NULL, -- 0: none was reached
    worker     INTEGER NOT NULL,
    code       INTEGER NOT NULL, -- 0: no failure
    category   INTEGER NOT NULL, -- 0: no failure
    attempts   INTEGER NOT NULL,
    reused     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX connection_counts_by_bucket
    ON connection_counts (resolution, bucket, service, tunnel, connector, worker, code, category);
CREATE INDEX connection_counts_by_service ON connection_counts (service, resolution, bucket);
CREATE INDEX connection_counts_by_tunnel ON connection_counts (tunnel, resolution, bucket);
CREATE INDEX connection_counts_by_worker ON connection_counts (worker, resolution, bucket);
