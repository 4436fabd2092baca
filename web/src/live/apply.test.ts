import { QueryClient } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import type { Job, Repo, RunDetail, RunSummary } from "../api/types.ts";
import { Changes } from "./apply.ts";

const run = (more: Partial<RunSummary> = {}) =>
  ({ id: "run_1", name: "CI", repository: "a/b", state: "running", outcome: null, created_at: "2026-01-02", ...more }) as RunSummary;

const job = (more: Partial<Job> = {}) => ({ id: "job_1", run: "run_1", state: "queued", attempts: [], ...more }) as unknown as Job;

const list = <T>(...items: T[]) => ({ pages: [{ items, next_cursor: null }], pageParams: [null] });

function setUp() {
  const client = new QueryClient();
  client.setQueryData(["runs", "list", "/runs", {}], list(run(), run({ id: "run_2" })));
  client.setQueryData(["runs", "one", "run_1"], { ...run(), jobs: [job()], artifacts: [] } as unknown as RunDetail);
  client.setQueryData(["repos", "list", "/repos", {}], list({ name: "a/b", last_run: run() } as Repo));
  const told: string[] = [];
  const changes = new Changes(client, (now) => told.push(now.state));
  const apply = (event: string, data: unknown) => changes.apply({ event, data: JSON.stringify(data), id: null });
  const detail = () => client.getQueryData<RunDetail>(["runs", "one", "run_1"]);
  return { client, changes, apply, detail, told };
}

describe("changes from the stream", () => {
  it("put a run's new state everywhere it is shown, and keep its jobs", () => {
    const { client, changes, apply, detail, told } = setUp();
    apply("run", run({ state: "finished", outcome: "success" }));
    expect(detail()).toMatchObject({ outcome: "success", jobs: [{ id: "job_1" }] });
    expect(client.getQueryData(["runs", "list", "/runs", {}])).toMatchObject({
      pages: [{ items: [{ outcome: "success" }, { id: "run_2", outcome: null }] }],
    });
    expect(client.getQueryData(["repos", "list", "/repos", {}])).toMatchObject({
      pages: [{ items: [{ last_run: { outcome: "success" } }] }],
    });
    expect(told).toEqual(["finished"]);
    changes.stop();
  });

  it("do not put an older run in the place of a newer one", () => {
    const { client, changes, apply } = setUp();
    apply("run", run({ id: "run_0", created_at: "2026-01-01" }));
    expect(client.getQueryData(["repos", "list", "/repos", {}])).toMatchObject({
      pages: [{ items: [{ last_run: { id: "run_1" } }] }],
    });
    changes.stop();
  });

  it("take a job with its attempts, and keep them when the stream leaves them out", () => {
    const { changes, apply, detail } = setUp();
    apply("job", job({ state: "running", attempts: [{ id: "att_1", steps: [] }] as unknown as Job["attempts"] }));
    apply("job", job({ state: "finished", outcome: "failure" }));
    expect(detail()?.jobs).toMatchObject([{ state: "finished", outcome: "failure", attempts: [{ id: "att_1" }] }]);
    apply("job", job({ id: "job_2" }));
    expect(detail()?.jobs).toHaveLength(2);
    changes.stop();
  });

  it("put a step where it belongs", () => {
    const { changes, apply, detail } = setUp();
    apply("job", job({ attempts: [{ id: "att_1", steps: [] }] as unknown as Job["attempts"] }));
    const of = { run: "run_1", job: "job_1", attempt: "att_1" };
    apply("step", { ...of, step: { index: 0, name: "Build", state: "running" } });
    apply("step", { ...of, step: { index: 0, name: "Build", state: "finished", outcome: "success" } });
    expect(detail()?.jobs[0]?.attempts[0]?.steps).toEqual([{ index: 0, name: "Build", state: "finished", outcome: "success" }]);
    changes.stop();
  });

  it("survive what they do not know", () => {
    const { changes, apply } = setUp();
    apply("something new", {});
    changes.apply({ event: "run", data: "{", id: null });
    changes.stop();
  });
});
