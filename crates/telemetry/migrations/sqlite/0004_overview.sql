-- What an overview asks for without reading every key of a bucket: sums over all Workers and services, and sums of attempts
-- by one dimension. Made once a bucket is over, and again when something is added to it later.

ALTER TABLE worker_metrics ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker_metrics ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker_metrics ADD COLUMN subrequests INTEGER NOT NULL DEFAULT 0;
UPDATE worker_metrics SET
    requests = json_extract(counts, '$.requests'),
    subrequests = json_extract(counts, '$.subrequests'),
    failed = json_extract(counts, '$.requests')
        - coalesce(json_extract(counts, '$.outcomes.ok'), 0)
        - coalesce(json_extract(counts, '$.outcomes.canceled'), 0)
        - coalesce(json_extract(counts, '$.outcomes.responseStreamDisconnected'), 0)
        - coalesce(json_extract(counts, '$.outcomes.scriptNotFound'), 0);

-- A bucket that is summed up has a row here, whatever happened in it.
CREATE TABLE worker_overview (
    resolution  INTEGER NOT NULL,
    bucket      INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    subrequests INTEGER NOT NULL,
    counts      TEXT NOT NULL,
    cpu         BLOB NOT NULL,
    wall        BLOB NOT NULL,
    memory      BLOB NOT NULL,
    PRIMARY KEY (resolution, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_overview (
    resolution INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,
    dns        BLOB NOT NULL,
    connect    BLOB NOT NULL,
    tls        BLOB NOT NULL,
    first_byte BLOB NOT NULL,
    PRIMARY KEY (resolution, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE connection_overview (
    resolution INTEGER NOT NULL,
    dimension  INTEGER NOT NULL, -- 1: code and category, 2: service, 3: tunnel, 4: connector, 5: Worker
    bucket     INTEGER NOT NULL,
    value      INTEGER NOT NULL, -- 0: none
    category   INTEGER NOT NULL, -- 0: none, or another dimension
    attempts   INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    PRIMARY KEY (resolution, dimension, bucket, value, category)
) STRICT, WITHOUT ROWID;
