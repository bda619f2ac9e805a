-- What remotely managed tunnels are told, and the host names that are routed to tunnels by themselves.
CREATE TABLE tunnel_configurations (
    tunnel_id  TEXT PRIMARY KEY REFERENCES tunnels (id),
    version    INTEGER NOT NULL,          -- rises with every change
    config     TEXT NOT NULL,             -- JSON, as connectors take it
    created_on INTEGER NOT NULL
) STRICT;

CREATE TABLE tunnel_hostnames (
    hostname   TEXT PRIMARY KEY,          -- lower case; may begin with "*."
    tunnel_id  TEXT NOT NULL REFERENCES tunnels (id),
    created_on INTEGER NOT NULL
) STRICT;
CREATE INDEX tunnel_hostnames_by_tunnel ON tunnel_hostnames (tunnel_id);
