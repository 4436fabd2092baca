-- Lists in the order of time, over all, by owner and by repository; ids decide between equal times.
DROP INDEX runs_by_time;
DROP INDEX runs_by_repository;
CREATE INDEX runs_by_time ON runs (created_us, id);
CREATE INDEX runs_by_repository ON runs (repository, created_us, id);
CREATE INDEX runs_by_owner ON runs ((rtrim(rtrim(repository, replace(repository, '/', '')), '/')), created_us, id);
DROP INDEX events_by_time;
CREATE INDEX events_by_time ON events (received_us, id);
CREATE INDEX artifacts_by_id ON artifacts (id);

-- Runners belong to a pool, may be drained, and are removed by hand.
ALTER TABLE runners ADD COLUMN pool TEXT NOT NULL DEFAULT 'default';
ALTER TABLE runners ADD COLUMN org TEXT NOT NULL DEFAULT '*';
ALTER TABLE runners ADD COLUMN version TEXT;
ALTER TABLE runners ADD COLUMN ephemeral {int} NOT NULL DEFAULT 0;
ALTER TABLE runners ADD COLUMN drained_us {int};
ALTER TABLE runners ADD COLUMN removed_us {int};

-- Credentials: only digests are kept.
CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  secret_digest TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  org TEXT NOT NULL,
  role TEXT NOT NULL,
  repos TEXT,
  pool TEXT,
  created_by TEXT NOT NULL,
  created_us {int} NOT NULL,
  expires_us {int},
  used_us {int},
  revoked_us {int}
) {strict};
CREATE INDEX tokens_by_time ON tokens (created_us, id);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  secret_digest TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  token TEXT,
  grants TEXT NOT NULL,
  created_us {int} NOT NULL,
  expires_us {int} NOT NULL,
  ended_us {int}
) {strict};
CREATE INDEX sessions_by_expiry ON sessions (expires_us);

-- Who did what, and what was refused.
CREATE TABLE audit (
  seq {serial},
  at_us {int} NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  org TEXT NOT NULL,
  resource TEXT NOT NULL,
  outcome TEXT NOT NULL,
  request_id TEXT NOT NULL,
  detail TEXT
) {strict};

-- Answers to writes by the key that the caller gave.
CREATE TABLE idempotency (
  actor TEXT NOT NULL,
  key TEXT NOT NULL,
  request TEXT NOT NULL,
  status {int},
  body TEXT,
  created_us {int} NOT NULL,
  PRIMARY KEY (actor, key)
) {strict};
CREATE INDEX idempotency_by_time ON idempotency (created_us);
