// Jobs as the workflow file has them: the legs of a matrix together, in the order of the file.
import type { Job } from "../api/types.ts";

export interface JobGroup {
  /** Id in the workflow file. */
  id: string;
  /** What it is called. */
  name: string;
  /** Its legs; one when it has no matrix. */
  legs: Job[];
  /** Ids of the groups that must end first. */
  needs: string[];
  isMatrix: boolean;
}

export function groupJobs(jobs: readonly Job[]): JobGroup[] {
  const groups = new Map<string, JobGroup>();
  for (const job of jobs) {
    const known = groups.get(job.job);
    if (known) {
      known.legs.push(job);
      known.needs = [...new Set([...known.needs, ...job.needs])];
      known.isMatrix = true;
    } else {
      groups.set(job.job, { id: job.job, name: job.name, legs: [job], needs: [...job.needs], isMatrix: hasMatrix(job) });
    }
  }
  for (const group of groups.values()) {
    group.needs = group.needs.filter((need) => groups.has(need) && need !== group.id);
    if (group.isMatrix) group.name = commonName(group);
  }
  return [...groups.values()];
}

function hasMatrix(job: Job): boolean {
  return job.matrix !== null && Object.keys(job.matrix).length > 0;
}

/** The name without the legs' values: `test (20, linux)` and `test (22, linux)` are `test`. */
function commonName(group: JobGroup): string {
  const names = new Set(group.legs.map((leg) => leg.name.replace(/ \([^()]*\)$/, "")));
  const [only] = names;
  return names.size === 1 && only ? only : group.id;
}

/** What tells a leg from the others of its group. */
export function legLabel(job: Job): string {
  if (!hasMatrix(job)) return job.name;
  const inName = / \(([^()]*)\)$/.exec(job.name)?.[1];
  if (inName) return inName;
  const values = Object.values(job.matrix ?? {}).map((value) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : String(value),
  );
  return values.join(", ");
}

const WORST = ["failure", "timed_out", "cancelled"] as const;

/** The state of a group as that of one job: what runs before what ended, what failed before what succeeded. */
export function groupState(group: JobGroup): Pick<Job, "state" | "outcome"> {
  const { legs } = group;
  for (const outcome of ["failure", "timed_out"] as const) {
    if (legs.some((leg) => leg.outcome === outcome && !leg.continue_on_error)) return { state: "finished", outcome };
  }
  for (const state of ["running", "queued", "waiting"] as const) {
    if (legs.some((leg) => leg.state === state)) return { state, outcome: null };
  }
  const worst = WORST.find((outcome) => legs.some((leg) => leg.outcome === outcome && !leg.continue_on_error));
  if (worst) return { state: "finished", outcome: worst };
  const skipped = legs.every((leg) => leg.outcome === "skipped");
  return { state: "finished", outcome: skipped ? "skipped" : "success" };
}
