// How states and outcomes are called and told apart: always a shape and a word, a colour besides.
import type { AttemptState, Fault, JobState, Outcome, RunState, StepState } from "../api/types.ts";

export type Tone = "good" | "bad" | "warn" | "busy" | "idle" | "info";

export type Shape =
  | "check"
  | "cross"
  | "slash"
  | "skip"
  | "clock"
  | "spinner"
  | "queued"
  | "waiting"
  | "hand"
  | "infra"
  | "shield"
  | "cloud";

export interface Status {
  label: string;
  tone: Tone;
  shape: Shape;
}

const STATES: Record<RunState | JobState | AttemptState | StepState, Status> = {
  pending: { label: "Pending", tone: "idle", shape: "queued" },
  waiting: { label: "Waiting", tone: "idle", shape: "waiting" },
  queued: { label: "Queued", tone: "idle", shape: "queued" },
  leased: { label: "Starting", tone: "busy", shape: "spinner" },
  running: { label: "Running", tone: "busy", shape: "spinner" },
  cancelling: { label: "Cancelling", tone: "warn", shape: "spinner" },
  finished: { label: "Finished", tone: "idle", shape: "check" },
};

const OUTCOMES: Record<Outcome, Status> = {
  success: { label: "Succeeded", tone: "good", shape: "check" },
  failure: { label: "Failed", tone: "bad", shape: "cross" },
  cancelled: { label: "Cancelled", tone: "idle", shape: "slash" },
  skipped: { label: "Skipped", tone: "idle", shape: "skip" },
  timed_out: { label: "Timed out", tone: "bad", shape: "clock" },
};

export interface Has {
  state: string;
  outcome: Outcome | null;
  approval?: "required" | "granted" | null;
}

export function statusOf(it: Has): Status {
  if (it.outcome) return OUTCOMES[it.outcome];
  if (it.approval === "required") return { label: "Needs approval", tone: "warn", shape: "hand" };
  return STATES[it.state as RunState] ?? { label: it.state, tone: "idle", shape: "waiting" };
}

export function outcomeStatus(outcome: Outcome): Status {
  return OUTCOMES[outcome];
}

interface FaultWords {
  label: string;
  meaning: string;
  shape: Shape | null;
  tone: Tone;
}

export const FAULTS: Record<Fault, FaultWords> = {
  user: { label: "your code", meaning: "The repository's code or workflow failed.", shape: null, tone: "bad" },
  infra: {
    label: "infrastructure",
    meaning: "The hub, a runner or its machine failed. It is not your code.",
    shape: "infra",
    tone: "warn",
  },
  policy: { label: "policy", meaning: "A rule of the hub forbids it.", shape: "shield", tone: "warn" },
  upstream: {
    label: "upstream",
    meaning: "A service outside or an upstream repository failed.",
    shape: "cloud",
    tone: "warn",
  },
};

export function isOpen(it: { state: string }): boolean {
  return it.state !== "finished";
}
