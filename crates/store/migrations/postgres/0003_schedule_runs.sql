-- For which minute a cron trigger ran last: of several edges on one database, one runs it.
ALTER TABLE schedules ADD COLUMN last_run BIGINT;
