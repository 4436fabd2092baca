-- A run may be another try of an earlier one, has a trust tier, and may wait for somebody's approval.
ALTER TABLE runs ADD COLUMN attempt {int} NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN previous TEXT;
ALTER TABLE runs ADD COLUMN tier TEXT NOT NULL DEFAULT 'trusted';
ALTER TABLE runs ADD COLUMN approval TEXT;
ALTER TABLE runs ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN pull_request {int};
DROP INDEX run_numbers;
CREATE UNIQUE INDEX run_numbers ON runs (repository, workflow_path, number, attempt) WHERE workflow_path <> '';
CREATE INDEX runs_by_repository ON runs (repository, created_us);
CREATE INDEX runs_previous ON runs (previous) WHERE previous IS NOT NULL;

-- What its jobs take from outside, so that another process can go on with it.
ALTER TABLE run_plans ADD COLUMN actions TEXT NOT NULL DEFAULT '{}';
ALTER TABLE run_plans ADD COLUMN sources TEXT NOT NULL DEFAULT '{}';

-- Everything that may start work, as it came; decided once, with the reason.
CREATE TABLE events (
  id TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  connection TEXT NOT NULL,
  delivery TEXT NOT NULL,
  kind TEXT NOT NULL,
  action TEXT,
  repository TEXT NOT NULL,
  git_ref TEXT,
  sha TEXT,
  actor TEXT,
  title TEXT,
  headers TEXT NOT NULL,
  payload TEXT NOT NULL,
  replay_of TEXT,
  received_us {int} NOT NULL,
  decided_us {int},
  outcome TEXT,
  reason TEXT,
  tries {int} NOT NULL DEFAULT 0,
  next_try_us {int} NOT NULL DEFAULT 0,
  UNIQUE (connection, delivery, kind)
) {strict};
CREATE INDEX events_open ON events (next_try_us) WHERE decided_us IS NULL;
CREATE INDEX events_by_time ON events (received_us);
CREATE INDEX events_by_repository ON events (repository, received_us);
CREATE INDEX events_by_commit ON events (repository, git_ref, sha) WHERE sha IS NOT NULL;

-- Repositories that the service knows: from its hub file, or added at run time.
CREATE TABLE repos (
  name TEXT PRIMARY KEY,
  team TEXT,
  connection TEXT,
  url TEXT,
  default_branch TEXT,
  registered_by TEXT NOT NULL,
  disabled_reason TEXT,
  created_us {int} NOT NULL,
  removed_us {int}
) {strict};

-- Refs of a repository as polling saw them last.
CREATE TABLE refs (
  repository TEXT NOT NULL,
  git_ref TEXT NOT NULL,
  sha TEXT NOT NULL,
  seen_us {int} NOT NULL,
  PRIMARY KEY (repository, git_ref)
) {strict};

-- Schedules of the workflow files on default branches, and when each is due.
CREATE TABLE schedules (
  repository TEXT NOT NULL,
  workflow_path TEXT NOT NULL,
  cron TEXT NOT NULL,
  timezone TEXT NOT NULL,
  sha TEXT NOT NULL,
  due_us {int} NOT NULL,
  PRIMARY KEY (repository, workflow_path, cron, timezone)
) {strict};
CREATE INDEX schedules_due ON schedules (due_us);
