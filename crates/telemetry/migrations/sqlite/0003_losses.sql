-- How many facts were recorded and are not kept, because there were too many or the file could not be written.

CREATE TABLE losses (
    minute INTEGER NOT NULL, -- since 1970
    kind   INTEGER NOT NULL, -- 1: invocations, 2: connections
    count  INTEGER NOT NULL,
    PRIMARY KEY (minute, kind)
) STRICT, WITHOUT ROWID;
