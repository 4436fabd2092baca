// The kinds of tokens and how long they may last.
import type { Role, Token } from "../../api/types.ts";

export const KINDS: Record<Token["kind"], { name: string; meaning: string }> = {
  access: { name: "Access", meaning: "For people and scripts: the API, the gantry command and these pages." },
  "runner-pool": { name: "Runner pool", meaning: "Any number of runners join with it." },
  bootstrap: { name: "Bootstrap", meaning: "The first token of the hub." },
  "runner-once": { name: "One runner", meaning: "One runner joins with it, then it is used up." },
};

/** The kinds that can be made. */
export const MADE: Token["kind"][] = ["access", "runner-pool", "runner-once"];

export const ROLES: { role: Role; meaning: string }[] = [
  { role: "viewer", meaning: "reads" },
  { role: "developer", meaning: "also starts, cancels and re-runs" },
  { role: "maintainer", meaning: "also repositories, runners and approvals" },
  { role: "admin", meaning: "everything of the org" },
];

export const LIFETIMES: { days: number | null; name: string }[] = [
  { days: 1, name: "1 day" },
  { days: 7, name: "7 days" },
  { days: 30, name: "30 days" },
  { days: 90, name: "90 days" },
  { days: 365, name: "1 year" },
  { days: null, name: "Never" },
];
