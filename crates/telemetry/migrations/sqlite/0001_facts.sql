-- Facts. Each key is the time at which the fact began, in microseconds since 1970, times 1024, plus a running number: so
-- the tables and all their indices are in order of time, inserts go to the end of them, and a time is a range of keys.

-- Every name that recurs (Workers, versions, services, tunnels, connectors, codes) is stored once.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- What is filtered by. Kept apart from the details, so that a scan reads little.
CREATE TABLE invocations (
    key        INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL,
    ray        INTEGER NOT NULL,
    worker     INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    event_type INTEGER NOT NULL,
    outcome    INTEGER NOT NULL, -- 0: ok
    status     INTEGER,
    cpu_us     INTEGER NOT NULL,
    wall_us    INTEGER NOT NULL,
    memory     INTEGER NOT NULL,
    truncated  INTEGER NOT NULL
) STRICT;
CREATE INDEX invocations_by_worker ON invocations (worker);
CREATE INDEX invocations_by_ray ON invocations (ray);
CREATE INDEX invocations_by_outcome ON invocations (outcome) WHERE outcome <> 0;
CREATE INDEX invocations_by_worker_outcome ON invocations (worker, outcome) WHERE outcome <> 0;
CREATE INDEX invocations_by_status ON invocations (status) WHERE status >= 400;
CREATE INDEX invocations_by_status_class ON invocations (status / 100) WHERE status >= 400;

-- Request, console lines, exceptions and subrequests, as JSON.
CREATE TABLE invocation_details (
    key     INTEGER PRIMARY KEY,
    details TEXT NOT NULL
) STRICT;

-- Trigrams of URL, console lines and exceptions. Without positions: a search finds candidates, which are then checked.
CREATE VIRTUAL TABLE invocation_text USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram'
);

CREATE TABLE connections (
    key          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL,
    service      INTEGER NOT NULL,
    service_name INTEGER NOT NULL,
    tunnel       INTEGER NOT NULL,
    connector    INTEGER,
    worker       INTEGER NOT NULL,
    invocation   BLOB    NOT NULL,
    ray          INTEGER NOT NULL,
    reused       INTEGER NOT NULL,
    status       INTEGER,
    code         INTEGER, -- NULL: no failure
    category     INTEGER,
    phase        INTEGER,
    retryable    INTEGER,
    dns_us       INTEGER,
    connect_us   INTEGER,
    tls_us       INTEGER,
    request_us   INTEGER,
    head_us      INTEGER,
    address      TEXT,
    detail       TEXT
) STRICT;
CREATE INDEX connections_by_service ON connections (service);
CREATE INDEX connections_by_tunnel ON connections (tunnel);
CREATE INDEX connections_by_connector ON connections (connector) WHERE connector IS NOT NULL;
CREATE INDEX connections_by_worker ON connections (worker);
CREATE INDEX connections_by_ray ON connections (ray);
CREATE INDEX failures ON connections (key) WHERE code IS NOT NULL;
CREATE INDEX failures_by_service ON connections (service) WHERE code IS NOT NULL;
CREATE INDEX failures_by_tunnel ON connections (tunnel) WHERE code IS NOT NULL;
CREATE INDEX failures_by_worker ON connections (worker) WHERE code IS NOT NULL;
CREATE INDEX failures_by_code ON connections (code) WHERE code IS NOT NULL;
CREATE INDEX failures_by_category ON connections (category) WHERE code IS NOT NULL;
CREATE INDEX failures_by_service_code ON connections (service, code) WHERE code IS NOT NULL;
