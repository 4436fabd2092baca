// Which repositories a view of the fleet shows, and in what order.
import type { Repo } from "../../api/types.ts";

export type View = "all" | "failing" | "running" | "disabled";

export const VIEWS: { key: View; name: string }[] = [
  { key: "all", name: "All" },
  { key: "failing", name: "Failing" },
  { key: "running", name: "Running" },
  { key: "disabled", name: "Disabled" },
];

/** Whether the last run that has ended failed: one that runs now does not make a repository healthy. */
export function failing(repo: Repo): boolean {
  const last = repo.last_run?.outcome ?? repo.recent.at(-1)?.outcome;
  return last === "failure" || last === "timed_out";
}

export function matches(repo: Repo, view: View): boolean {
  if (view === "failing") return failing(repo);
  if (view === "running") return repo.open_runs > 0;
  if (view === "disabled") return !repo.enabled;
  return true;
}

export function sorted(repos: Repo[], order: string): Repo[] {
  const byName = [...repos].sort((a, b) => a.name.localeCompare(b.name));
  const latest = (repo: Repo) => repo.last_run?.created_at ?? "";
  if (order === "latest") return byName.sort((a, b) => latest(b).localeCompare(latest(a)));
  if (order === "attention") return byName.sort((a, b) => Number(failing(b)) - Number(failing(a)));
  return byName;
}
