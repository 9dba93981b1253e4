PRAGMA journal_mode = WAL;
CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT UNIQUE,
    payload      TEXT    NOT NULL,
    attempts_max INTEGER NOT NULL CHECK (attempts_max > 0),
    enqueued_at  INTEGER NOT NULL,
    available_at INTEGER
);
CREATE INDEX jobs_available ON jobs (available_at, id) WHERE available_at IS NOT NULL;
CREATE TABLE executions (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id           INTEGER NOT NULL REFERENCES jobs (id),
    attempt          INTEGER NOT NULL,
    worker           TEXT    NOT NULL,
    status           TEXT    NOT NULL
        CHECK (status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED', 'DONE', 'ABORTED')),
    lease_expires_at INTEGER NOT NULL
);
CREATE INDEX executions_job ON executions (job_id, id);
CREATE INDEX executions_open ON executions (lease_expires_at, id)
    WHERE status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED');
CREATE TABLE effects (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       INTEGER NOT NULL REFERENCES jobs (id),
    execution_id INTEGER NOT NULL REFERENCES executions (id),
    value        TEXT    NOT NULL
);
CREATE INDEX effects_job ON effects (job_id);
CREATE TABLE audit (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    actor         TEXT    NOT NULL,
    operation     TEXT    NOT NULL,
    event         TEXT    NOT NULL,
    job_id        INTEGER NOT NULL REFERENCES jobs (id),
    execution_id  INTEGER REFERENCES executions (id),
    before        TEXT,
    after         TEXT,
    reason        TEXT,
    detail        TEXT
);
CREATE INDEX audit_job ON audit (job_id, id);
CREATE INDEX audit_duplicates ON audit (id) WHERE event = 'duplicate' OR reason = 'already_committed';
PRAGMA application_id = 1380469329;
PRAGMA user_version = 1;
