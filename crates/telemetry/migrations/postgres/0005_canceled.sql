-- Attempts that were given up by those who asked neither succeeded nor failed. Until now they could not be told from successes.

ALTER TABLE connections ADD COLUMN canceled BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX canceled ON connections (key) WHERE canceled;
CREATE INDEX canceled_by_service ON connections (service, key) WHERE canceled;
CREATE INDEX canceled_by_tunnel ON connections (tunnel, key) WHERE canceled;
CREATE INDEX canceled_by_worker ON connections (worker, key) WHERE canceled;

-- In connection_counts, and in connection_overview by code and category, -1 stands for both in the rows of those attempts.
ALTER TABLE connection_overview ADD COLUMN canceled BIGINT NOT NULL DEFAULT 0;

-- Invocations that ended without a response: their visitors saw an error page, whose status is known from the outcome.
CREATE INDEX invocations_without_response ON invocations (outcome, key) WHERE outcome <> 0 AND status IS NULL;
CREATE INDEX invocations_without_response_by_worker ON invocations (worker, outcome, key)
    WHERE outcome <> 0 AND status IS NULL;
