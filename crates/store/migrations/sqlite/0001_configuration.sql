-- What is configured. Times are microseconds since the Unix epoch (UTC). Identifiers are lower-case UUID text.
-- Columns named sealed hold AES-256-GCM ciphertexts that are bound to their row (see src/seal.rs).

-- One row. Every change of configuration raises generation in its own transaction.
CREATE TABLE meta (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO meta (id, generation) VALUES (1, 0);

CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,          -- 32 hexadecimal digits, the tunnel token's account tag
    slug       TEXT NOT NULL UNIQUE,      -- the name used in API paths
    name       TEXT NOT NULL,
    created_on INTEGER NOT NULL
) STRICT;

-- Private material of the program itself (the key check, the tunnel CA and its key).
CREATE TABLE materials (
    name       TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    created_on INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,    -- SHA-256 of the token, hexadecimal
    permissions  TEXT NOT NULL,           -- JSON array of permission names
    created_on   INTEGER NOT NULL,
    expires_on   INTEGER,
    last_used_on INTEGER,
    revoked_on   INTEGER
) STRICT;

-- Certificate authorities and client certificates that VPC Services refer to.
CREATE TABLE certificates (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name       TEXT NOT NULL,
    ca         INTEGER NOT NULL CHECK (ca IN (0, 1)),
    pem        TEXT NOT NULL,
    sealed_key BLOB,
    created_on INTEGER NOT NULL
) STRICT;

CREATE TABLE tunnels (
    id            TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    name          TEXT NOT NULL,
    sealed_secret BLOB NOT NULL,
    config_src    TEXT NOT NULL,
    created_on    INTEGER NOT NULL,
    deleted_on    INTEGER
) STRICT;
CREATE UNIQUE INDEX tunnels_live_name ON tunnels (account_id, name) WHERE deleted_on IS NULL;

CREATE TABLE services (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,           -- http or tcp
    tunnel_id    TEXT NOT NULL REFERENCES tunnels (id),
    spec         TEXT NOT NULL,           -- JSON, VpcServiceSpec
    created_on   INTEGER NOT NULL,
    modified_on  INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;
CREATE INDEX services_by_tunnel ON services (tunnel_id);

CREATE TABLE workers (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    name        TEXT NOT NULL,
    settings    TEXT NOT NULL,            -- JSON, WorkerSettings
    created_on  INTEGER NOT NULL,
    modified_on INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

-- The modules of a version, shared by versions with the same code. The etag is a SHA-256 over them.
CREATE TABLE bundles (
    etag TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT;

CREATE TABLE modules (
    etag     TEXT NOT NULL REFERENCES bundles (etag) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (etag, position)
) STRICT;

-- Never updated after it was inserted.
CREATE TABLE versions (
    id         TEXT PRIMARY KEY,
    worker_id  TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    etag       TEXT NOT NULL REFERENCES bundles (etag),
    detail     TEXT NOT NULL,             -- JSON, VersionDetail
    created_on INTEGER NOT NULL,
    UNIQUE (worker_id, number)
) STRICT;
CREATE INDEX versions_by_bundle ON versions (etag);

CREATE TABLE version_secrets (
    version_id TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    PRIMARY KEY (version_id, name)
) STRICT;

CREATE TABLE deployments (
    id         TEXT PRIMARY KEY,
    worker_id  TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    detail     TEXT NOT NULL,             -- JSON, DeploymentDetail
    created_on INTEGER NOT NULL,
    UNIQUE (worker_id, number)
) STRICT;

CREATE TABLE deployment_versions (
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    version_id    TEXT NOT NULL REFERENCES versions (id),
    basis_points  INTEGER NOT NULL CHECK (basis_points BETWEEN 0 AND 10000),
    PRIMARY KEY (deployment_id, version_id)
) STRICT;
CREATE INDEX deployment_versions_by_version ON deployment_versions (version_id);

CREATE TABLE routes (
    id        TEXT PRIMARY KEY,
    worker_id TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    pattern   TEXT NOT NULL UNIQUE,
    zone_name TEXT
) STRICT;
CREATE INDEX routes_by_worker ON routes (worker_id);

CREATE TABLE domains (
    id        TEXT PRIMARY KEY,
    worker_id TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    hostname  TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX domains_by_worker ON domains (worker_id);

CREATE TABLE schedules (
    worker_id   TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    cron        TEXT NOT NULL,
    created_on  INTEGER NOT NULL,
    PRIMARY KEY (worker_id, cron)
) STRICT;

CREATE TABLE audit (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,             -- JSON, Actor
    action     TEXT NOT NULL,
    resource   TEXT NOT NULL,             -- kind of thing
    resource_id TEXT NOT NULL,
    before     TEXT,                      -- JSON, secrets masked
    after      TEXT                       -- JSON, secrets masked
) STRICT;
