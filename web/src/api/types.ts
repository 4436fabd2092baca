// What the hub's API answers, as the pages use it: names for the types that `npm run types` generates from
// docs/reference/openapi.json.
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];

export type Outcome = Schemas["Outcome"];
export type Fault = Schemas["Fault"];
export type RunState = Schemas["RunState"];
export type JobState = Schemas["JobState"];
export type AttemptState = Schemas["AttemptState"];
export type StepState = Schemas["StepState"];
export type Role = Schemas["Role"];
export type Me = Schemas["Me"];
export type Health = Schemas["Health"];
export type RunSummary = Schemas["RunSummary"];
export type Step = Schemas["Step"];
export type Annotation = Schemas["Annotation"];
export type Attempt = Schemas["Attempt"];
export type Artifact = Schemas["Artifact"];
export type Why = Schemas["Why"];
export type SearchHit = Schemas["LogHit"];
export type QueueItem = Schemas["QueueItem"];
export type Runner = Schemas["Runner"];
/** The values of a matrix may be anything. */
export type Job = Omit<Schemas["Job"], "matrix"> & { matrix: Record<string, unknown> | null };
export type RunDetail = Omit<Schemas["Run"], "jobs"> & { jobs: Job[] };

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
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
  default: string | null;
  options: string[];
}

export interface Workflow {
  path: string;
  name: string;
  triggers: string[];
  dispatch: { inputs: DispatchInput[] } | null;
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
  outcome: string | null;
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
  kind: "access" | "runner-pool" | "runner-once" | "bootstrap";
  org: string;
  role: Role | null;
  repos: string[] | null;
  pool: string | null;
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
