-- What an overview asks for without reading every key of a bucket: sums over all Workers and services, and sums of attempts
-- by one dimension. Made once a bucket is over, and again when something is added to it later.

ALTER TABLE worker_metrics ADD COLUMN requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE worker_metrics ADD COLUMN failed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE worker_metrics ADD COLUMN subrequests BIGINT NOT NULL DEFAULT 0;
UPDATE worker_metrics SET
    requests = (counts::json ->> 'requests')::BIGINT,
    subrequests = (counts::json ->> 'subrequests')::BIGINT,
    failed = (counts::json ->> 'requests')::BIGINT
        - coalesce((counts::json -> 'outcomes' ->> 'ok')::BIGINT, 0)
        - coalesce((counts::json -> 'outcomes' ->> 'canceled')::BIGINT, 0)
        - coalesce((counts::json -> 'outcomes' ->> 'responseStreamDisconnected')::BIGINT, 0)
        - coalesce((counts::json -> 'outcomes' ->> 'scriptNotFound')::BIGINT, 0);

-- A bucket that is summed up has a row here, whatever happened in it.
CREATE TABLE worker_overview (
    resolution  BIGINT NOT NULL,
    bucket      BIGINT NOT NULL,
    requests    BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    subrequests BIGINT NOT NULL,
    counts      TEXT NOT NULL,
    cpu         BYTEA NOT NULL,
    wall        BYTEA NOT NULL,
    memory      BYTEA NOT NULL,
    PRIMARY KEY (resolution, bucket)
);

CREATE TABLE latency_overview (
    resolution BIGINT NOT NULL,
    bucket     BIGINT NOT NULL,
    dns        BYTEA NOT NULL,
    connect    BYTEA NOT NULL,
    tls        BYTEA NOT NULL,
    first_byte BYTEA NOT NULL,
    PRIMARY KEY (resolution, bucket)
);

CREATE TABLE connection_overview (
    resolution BIGINT NOT NULL,
    dimension  BIGINT NOT NULL, -- 1: code and category, 2: service, 3: tunnel, 4: connector, 5: Worker
    bucket     BIGINT NOT NULL,
    value      BIGINT NOT NULL, -- 0: none
    category   BIGINT NOT NULL, -- 0: none, or another dimension
    attempts   BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    PRIMARY KEY (resolution, dimension, bucket, value, category)
);
