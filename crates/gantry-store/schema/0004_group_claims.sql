-- Claims of runs and their legs to concurrency groups; `leg` is empty for the run itself.
CREATE TABLE group_claims (
  id {serial},
  repository TEXT NOT NULL,
  name TEXT NOT NULL,
  run TEXT NOT NULL,
  leg TEXT NOT NULL,
  part TEXT NOT NULL,
  queue TEXT NOT NULL,
  cancel_in_progress {int} NOT NULL,
  state TEXT NOT NULL,
  stop TEXT,
  asked_us {int} NOT NULL,
  held_us {int},
  released_us {int},
  UNIQUE (run, leg, part)
) {strict};
CREATE INDEX group_claims_open ON group_claims (repository) WHERE released_us IS NULL;
CREATE INDEX group_claims_pending ON group_claims (repository) WHERE state = 'pending';
