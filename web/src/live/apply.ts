// What a change from the stream does to the data that pages hold: summaries are put in place at once, lists whose order
// or membership may have changed are fetched again, at most once a second.
import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Job, Page, Repo, RunDetail, RunSummary, Runner, Step } from "../api/types.ts";
import type { ServerEvent } from "./sse.ts";

type Pages<T> = InfiniteData<Page<T>>;

const REFRESH_MS = 1_000;
/** The fleet is the largest answer. */
const REFRESH_REPOS_MS = 3_000;

export class Changes {
  private readonly due = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly client: QueryClient,
    private readonly onRun: (run: RunSummary, before: RunSummary | undefined) => void = () => undefined,
  ) {}

  apply(event: ServerEvent): void {
    if (event.event === "reset") {
      void this.client.invalidateQueries();
      return;
    }
    let data: unknown;
    try {
      data = JSON.parse(event.data);
    } catch {
      return;
    }
    if (event.event === "run") this.run(data as RunSummary);
    else if (event.event === "job") this.job(data as Job);
    else if (event.event === "step") this.step(data as StepChange);
    else if (event.event === "runner") this.runner(data as Runner);
    else if (event.event === "event") this.refresh("events");
  }

  stop(): void {
    for (const timer of this.due.values()) clearTimeout(timer);
    this.due.clear();
  }

  private run(run: RunSummary): void {
    const before = this.client.getQueryData<RunDetail>(["runs", "one", run.id]);
    this.onRun(run, before);
    this.client.setQueryData<RunDetail>(["runs", "one", run.id], (old) => (old ? { ...old, ...run } : old));
    if (run.state === "finished" && before) this.refreshKey(["runs", "one", run.id]);
    if (!replaceIn(this.client, "runs", run)) this.refresh("runs", "list");
    const known = this.client.getQueriesData<Pages<Repo>>({ queryKey: ["repos", "list"] });
    for (const [key, data] of known) {
      if (data) this.client.setQueryData(key, mapPages(data, (repo) => withRun(repo, run)));
    }
    this.refresh("repos");
    this.refresh("queue");
    this.refresh("why", run.id);
  }

  private job(job: Job): void {
    this.client.setQueryData<RunDetail>(["runs", "one", job.run], (old) => {
      if (!old) return old;
      const known = old.jobs.some((one) => one.id === job.id);
      const jobs = known ? old.jobs.map((one) => (one.id === job.id ? merge(one, job) : one)) : [...old.jobs, job];
      return { ...old, jobs };
    });
    this.refresh("queue");
    this.refresh("why", job.run);
  }

  private step(change: StepChange): void {
    this.client.setQueryData<RunDetail>(["runs", "one", change.run], (old) =>
      old ? { ...old, jobs: old.jobs.map((job) => withStep(job, change)) } : old,
    );
  }

  private runner(runner: Runner): void {
    if (!replaceIn(this.client, "runners", runner)) this.refresh("runners");
  }

  private refresh(...key: string[]): void {
    this.refreshKey(key);
  }

  private refreshKey(key: string[]): void {
    const name = key.join(" ");
    if (this.due.has(name)) return;
    this.due.set(
      name,
      setTimeout(() => {
        this.due.delete(name);
        void this.client.invalidateQueries({ queryKey: key });
      }, key[0] === "repos" ? REFRESH_REPOS_MS : REFRESH_MS),
    );
  }
}

/** A step as the stream tells it: with the attempt that it belongs to. */
export interface StepChange {
  run: string;
  job: string;
  attempt: string;
  step: Step;
}

/** A job of the stream may leave out what only a full answer has. */
function merge(old: Job, job: Job): Job {
  return { ...old, ...job, attempts: job.attempts && job.attempts.length > 0 ? job.attempts : old.attempts };
}

function withStep(job: Job, { attempt: id, step }: StepChange): Job {
  if (!job.attempts.some((attempt) => attempt.id === id)) return job;
  return {
    ...job,
    attempts: job.attempts.map((attempt) => {
      if (attempt.id !== id) return attempt;
      const others = attempt.steps.filter((one) => one.index !== step.index);
      return { ...attempt, steps: [...others, step].sort((a, b) => a.index - b.index) };
    }),
  };
}

function withRun(repo: Repo, run: RunSummary): Repo {
  if (repo.name !== run.repository) return repo;
  const newer = !repo.last_run || repo.last_run.id === run.id || repo.last_run.created_at <= run.created_at;
  return newer ? { ...repo, last_run: run } : repo;
}

function mapPages<T>(data: Pages<T>, change: (item: T) => T): Pages<T> {
  return { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.map(change) })) };
}

/** Puts an item in the place of its older self in every list of the resource; false when no list has it. */
function replaceIn<T extends { id: string }>(client: QueryClient, resource: string, item: T): boolean {
  let found = false;
  for (const [key, data] of client.getQueriesData<Pages<T>>({ queryKey: [resource, "list"] })) {
    if (!data) continue;
    if (!data.pages.some((page) => page.items.some((one) => one.id === item.id))) continue;
    found = true;
    client.setQueryData(
      key,
      mapPages(data, (one) => (one.id === item.id ? { ...one, ...item } : one)),
    );
  }
  return found;
}
