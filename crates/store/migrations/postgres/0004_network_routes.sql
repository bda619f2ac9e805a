-- What is behind a tunnel, for VPC Networks.
CREATE TABLE network_routes (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    tunnel_id   TEXT NOT NULL REFERENCES tunnels (id),
    kind        TEXT NOT NULL,            -- network or hostname
    destination TEXT NOT NULL,            -- 10.0.0.0/8, db.internal, *.internal
    comment     TEXT NOT NULL,
    created_on  BIGINT NOT NULL,
    UNIQUE (account_id, destination)
);
