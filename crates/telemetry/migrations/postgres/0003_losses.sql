-- How many facts were recorded and are not kept, because there were too many or the database could not be written.

CREATE TABLE losses (
    minute BIGINT NOT NULL, -- since 1970
    kind   BIGINT NOT NULL, -- 1: invocations, 2: connections
    count  BIGINT NOT NULL,
    PRIMARY KEY (minute, kind)
);
