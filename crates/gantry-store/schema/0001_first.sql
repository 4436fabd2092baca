CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value {int} NOT NULL
) {strict};
INSERT INTO counters (name, value) VALUES ('lease_epoch', 0);

CREATE TABLE hubs (
  id TEXT PRIMARY KEY,
  pid {int} NOT NULL,
  started_us {int} NOT NULL,
  ended_us {int},
  end_reason TEXT
) {strict};

CREATE TABLE submissions (
  id TEXT PRIMARY KEY,
  hub TEXT NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL,
  created_us {int} NOT NULL,
  ended_us {int}
) {strict};

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  submission TEXT NOT NULL,
  hub TEXT NOT NULL,
  repository TEXT NOT NULL,
  seq {int} NOT NULL,
  workflow_path TEXT NOT NULL,
  workflow_name TEXT NOT NULL,
  run_name TEXT NOT NULL,
  number {int} NOT NULL,
  event TEXT NOT NULL,
  sha TEXT NOT NULL,
  git_ref TEXT NOT NULL,
  dirty {int} NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  fault TEXT,
  reason TEXT,
  cancel_reason TEXT,
  config_digest TEXT NOT NULL,
  plan_digest TEXT NOT NULL,
  created_us {int} NOT NULL,
  started_us {int},
  ended_us {int}
) {strict};
CREATE INDEX runs_by_submission ON runs (submission, seq);
CREATE INDEX runs_by_workflow ON runs (repository, workflow_path, number);
CREATE INDEX runs_by_time ON runs (created_us);
CREATE INDEX runs_open ON runs (hub) WHERE ended_us IS NULL;

CREATE TABLE run_plans (
  run TEXT PRIMARY KEY,
  plan TEXT NOT NULL,
  settings TEXT NOT NULL,
  source TEXT NOT NULL
) {strict};

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  key TEXT NOT NULL,
  job TEXT NOT NULL,
  name TEXT NOT NULL,
  seq {int} NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  fault TEXT,
  reason TEXT,
  continue_on_error {int} NOT NULL,
  leg TEXT NOT NULL,
  needs TEXT NOT NULL,
  outputs TEXT NOT NULL,
  attempts {int} NOT NULL,
  hold TEXT,
  created_us {int} NOT NULL,
  queued_us {int},
  started_us {int},
  ended_us {int},
  UNIQUE (run, key)
) {strict};
CREATE INDEX jobs_open ON jobs (state) WHERE ended_us IS NULL;

CREATE TABLE attempts (
  id TEXT PRIMARY KEY,
  job TEXT NOT NULL,
  run TEXT NOT NULL,
  number {int} NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  fault TEXT,
  reason TEXT,
  cancel_reason TEXT,
  runner TEXT NOT NULL,
  runner_name TEXT NOT NULL,
  usage TEXT NOT NULL,
  report TEXT NOT NULL,
  log_bytes {int} NOT NULL,
  created_us {int} NOT NULL,
  started_us {int},
  ended_us {int},
  UNIQUE (job, number)
) {strict};
CREATE INDEX attempts_by_run ON attempts (run);

CREATE TABLE leases (
  id TEXT PRIMARY KEY,
  attempt TEXT NOT NULL,
  hub TEXT NOT NULL,
  runner TEXT NOT NULL,
  epoch {int} NOT NULL,
  expires_us {int} NOT NULL,
  released_us {int}
) {strict};
CREATE INDEX leases_by_attempt ON leases (attempt);
CREATE INDEX leases_open ON leases (hub, expires_us) WHERE released_us IS NULL;

CREATE TABLE steps (
  attempt TEXT NOT NULL,
  idx {int} NOT NULL,
  name TEXT NOT NULL,
  step_id TEXT,
  state TEXT NOT NULL,
  outcome TEXT,
  conclusion TEXT,
  usage TEXT NOT NULL,
  line {int},
  started_us {int},
  ended_us {int},
  PRIMARY KEY (attempt, idx)
) {strict};

CREATE TABLE annotations (
  attempt TEXT NOT NULL,
  idx {int} NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (attempt, idx)
) {strict};

CREATE TABLE denials (
  attempt TEXT NOT NULL,
  idx {int} NOT NULL,
  host TEXT NOT NULL,
  port {int} NOT NULL,
  reason TEXT NOT NULL,
  times {int} NOT NULL,
  step TEXT,
  PRIMARY KEY (attempt, idx)
) {strict};

CREATE TABLE runners (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  token_digest TEXT NOT NULL,
  labels TEXT NOT NULL,
  slots {int} NOT NULL,
  capacity TEXT NOT NULL,
  features TEXT NOT NULL,
  registered_us {int} NOT NULL,
  seen_us {int} NOT NULL
) {strict};

CREATE TABLE artifacts (
  id TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  repository TEXT NOT NULL,
  name TEXT NOT NULL,
  size {int} NOT NULL,
  files {int} NOT NULL,
  blob TEXT NOT NULL,
  blob_bytes {int} NOT NULL,
  created_us {int} NOT NULL,
  UNIQUE (run, name)
) {strict};

CREATE TABLE caches (
  repository TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT NOT NULL,
  blob TEXT NOT NULL,
  size {int} NOT NULL,
  created_us {int} NOT NULL,
  used_us {int} NOT NULL,
  PRIMARY KEY (repository, key, version)
) {strict};

CREATE TABLE decisions (
  seq {serial},
  submission TEXT NOT NULL,
  run TEXT,
  job TEXT,
  at_us {int} NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL
) {strict};
CREATE INDEX decisions_by_submission ON decisions (submission, seq);
CREATE INDEX decisions_by_run ON decisions (run, seq);
