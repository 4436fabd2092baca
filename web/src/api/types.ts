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

export type Repo = Schemas["Repo"];
export type RecentRun = Schemas["RecentRun"];
export type Workflow = Schemas["WorkflowFile"];
export type DispatchInput = Schemas["DispatchInput"];
export type Delivery = Schemas["Event"];
export type DeliveryDetail = Schemas["EventDetail"];
export type Token = Schemas["Token"];

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** A line of a log as it rests and travels; its format is the runner's, not the API's. */
export interface LogLine {
  t: string;
  step?: number;
  kind?: string;
  text: string;
}
