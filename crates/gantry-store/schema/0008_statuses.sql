-- Statuses that forges are to show: one row for each thing that a forge shows, with the newest wanted state only.
CREATE TABLE statuses (
  id {serial},
  connection TEXT NOT NULL,
  repository TEXT NOT NULL,
  sha TEXT NOT NULL,
  context TEXT NOT NULL,
  rank {int} NOT NULL,
  desired TEXT NOT NULL,
  version {int} NOT NULL,
  sent_version {int} NOT NULL,
  external_id TEXT,
  parts {int} NOT NULL,
  tries {int} NOT NULL,
  next_try_us {int},
  last_error TEXT,
  wanted_us {int} NOT NULL,
  sent_us {int},
  UNIQUE (connection, repository, sha, context)
) {strict};
CREATE INDEX statuses_due ON statuses (connection, next_try_us) WHERE next_try_us IS NOT NULL;
CREATE INDEX statuses_of_commit ON statuses (repository, sha);
CREATE INDEX statuses_done ON statuses (wanted_us) WHERE next_try_us IS NULL;
