// What the hub's API answers, as the pages use it. Names and meanings: docs/reference/openapi.json.

export type Outcome = "success" | "failure" | "cancelled" | "skipped" | "timed_out";
export type Fault = "user" | "infra" | "policy" | "upstream";
export type RunState = "pending" | "running" | "cancelling" | "finished";
export type JobState = "waiting" | "queued" | "running" | "finished";
export type AttemptState = "leased" | "running" | "cancelling" | "finished";
export type StepState = "pending" | "running" | "finished";
export type Role = "admin" | "maintainer" | "developer" | "viewer";

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Me {
  name: string;
  kind: "token" | "user" | "bootstrap";
  roles: { org: string; role: Role }[];
}

export interface Health {
  status: string;
  version: string;
  started_at: string;
  leader: boolean;
  store: "sqlite" | "postgresql";
  queue: { queued: number; running: number };
}

export interface RunSummary {
  id: string;
  number: number;
  attempt: number;
  repository: string;
  workflow: { name: string; path: string } | null;
  name: string;
  event: string;
  event_id: string | null;
  actor: string | null;
  sha: string | null;
  ref: string | null;
  message: string | null;
  pull_request: number | null;
  state: RunState;
  outcome: Outcome | null;
  fault: Fault | null;
  reason: string | null;
  cancel_reason: string | null;
  approval: "required" | "granted" | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  waits: string | null;
}

export interface RecentRun {
  run: string;
  outcome: Outcome | null;
  duration_ms: number | null;
  ended_at: string | null;
}

export interface Repo {
  name: string;
  org: string;
  team: string | null;
  enabled: boolean;
  disabled_reason: string | null;
  source: { kind: "git" | "folder" | "archive"; url: string };
  forge: string | null;
  default_branch: string | null;
  depends_on: string[];
  registered_by: "file" | "api";
  created_at: string;
  open_runs: number;
  last_run: RunSummary | null;
  recent: RecentRun[];
}

export interface DispatchInput {
  name: string;
  type: string;
  description: string | null;
  required: boolean;
  default: unknown;
  options: string[] | null;
}

export interface Workflow {
  path: string;
  name: string;
  triggers: string[];
  dispatch: { inputs: DispatchInput[] } | null;
}

export interface Step {
  index: number;
  name: string;
  id: string | null;
  state: StepState;
  outcome: Outcome | null;
  conclusion: Outcome | null;
  line: number | null;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
}

export interface Annotation {
  kind: "error" | "warning" | "notice";
  message: string;
  title: string | null;
  file: string | null;
  line: number | null;
  column: number | null;
  step: number | null;
}

export interface Attempt {
  id: string;
  number: number;
  state: AttemptState;
  outcome: Outcome | null;
  fault: Fault | null;
  reason: string | null;
  cancel_reason: string | null;
  runner: { id: string; name: string } | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  log_bytes: number;
  usage: Record<string, number | null> | null;
  summary: string | null;
  steps: Step[];
  annotations: Annotation[];
}

export interface Job {
  id: string;
  run: string;
  key: string;
  job: string;
  name: string;
  state: JobState;
  outcome: Outcome | null;
  fault: Fault | null;
  reason: string | null;
  hold: string | null;
  needs: string[];
  continue_on_error: boolean;
  runs_on: string[];
  matrix: Record<string, unknown> | null;
  queued_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  attempts: Attempt[];
}

export interface Artifact {
  id: string;
  run: string;
  name: string;
  size_bytes: number;
  files: number;
  created_at: string;
  expires_at: string | null;
}

export interface RunDetail extends RunSummary {
  jobs: Job[];
  artifacts: Artifact[];
  diagnostics: { severity: string; message: string; line: number | null; column: number | null }[];
  waits_for: { leg: string | null; group: string; reason: string | null }[];
  previous: string[];
}

export interface Why {
  constraints: { what: string; met: boolean; detail: string | null }[];
  decisions: { at: string; kind: string; job: string | null; reason: string }[];
}

export interface SearchHit {
  job: string;
  attempt: string;
  step: number | null;
  line_number: number;
  at: string;
  text: string;
}

export interface QueueItem {
  job: string;
  key: string;
  name: string;
  run: string;
  repository: string;
  workflow: string | null;
  state: "queued" | "running";
  queued_at: string | null;
  position: number | null;
  hold: string | null;
  labels: string[];
  runner: { id: string; name: string } | null;
}

export interface Runner {
  id: string;
  name: string;
  pool: string | null;
  labels: string[];
  slots: number;
  busy: number;
  capacity: Record<string, number | null> | null;
  features: string[];
  version: string | null;
  ephemeral: boolean;
  state: "online" | "draining" | "offline";
  offline_reason: string | null;
  seen_at: string | null;
  registered_at: string;
  jobs: string[];
}

export interface Delivery {
  id: string;
  source: string;
  connection: string | null;
  delivery: string | null;
  kind: string;
  action: string | null;
  repository: string | null;
  ref: string | null;
  sha: string | null;
  actor: string | null;
  title: string | null;
  received_at: string;
  decided_at: string | null;
  outcome: "runs" | "nothing" | "ignored" | "refused" | "failed" | null;
  reason: string | null;
  runs: string[];
  replay_of: string | null;
}

export interface DeliveryDetail extends Delivery {
  headers: Record<string, string> | null;
  payload: unknown;
}

export interface Token {
  id: string;
  name: string;
  kind: "access" | "runner-pool" | "runner-once";
  org: string;
  role: Role | null;
  repos: string[] | null;
  created_by: string | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface LogLine {
  t: string;
  step?: number;
  kind?: string;
  text: string;
}
