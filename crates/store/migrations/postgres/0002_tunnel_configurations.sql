-- What remotely managed tunnels are told, and the host names that are routed to tunnels by themselves.
CREATE TABLE tunnel_configurations (
    tunnel_id  TEXT PRIMARY KEY REFERENCES tunnels (id),
    version    BIGINT NOT NULL,           -- rises with every change
    config     TEXT NOT NULL,             -- JSON, as connectors take it
    created_on BIGINT NOT NULL
);

CREATE TABLE tunnel_hostnames (
    hostname   TEXT COLLATE "C" PRIMARY KEY,   -- lower case; may begin with "*."
    tunnel_id  TEXT NOT NULL REFERENCES tunnels (id),
    created_on BIGINT NOT NULL
);
CREATE INDEX tunnel_hostnames_by_tunnel ON tunnel_hostnames (tunnel_id);
