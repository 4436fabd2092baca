import { describe, expect, it } from "vitest";
import type { Job } from "../api/types.ts";
import { groupJobs, groupState, legLabel } from "./groups.ts";
import { edgesOf, layoutGraph } from "./layout.ts";

const job = (file: string, more: Partial<Job> = {}): Job => ({
  id: `job_${file}_${more.key ?? ""}`,
  run: "run_1",
  key: file,
  job: file,
  name: file,
  state: "finished",
  outcome: "success",
  fault: null,
  reason: null,
  hold: null,
  needs: [],
  continue_on_error: false,
  runs_on: [],
  matrix: null,
  queued_at: null,
  started_at: null,
  ended_at: null,
  duration_ms: null,
  attempts: [],
  ...more,
});

const leg = (file: string, node: number, more: Partial<Job> = {}) =>
  job(file, { key: `${node}`, name: `${file} (${node})`, matrix: { node }, needs: ["lint"], ...more });

const JOBS = [
  job("lint"),
  leg("test", 20),
  leg("test", 22, { state: "running", outcome: null }),
  job("publish", { needs: ["test", "lint"], state: "waiting", outcome: null }),
];

describe("the graph of a run", () => {
  it("puts the legs of a matrix into one node", () => {
    const groups = groupJobs(JOBS);
    expect(groups.map((group) => [group.id, group.name, group.legs.length, group.isMatrix])).toEqual([
      ["lint", "lint", 1, false],
      ["test", "test", 2, true],
      ["publish", "publish", 1, false],
    ]);
    expect(groups[1]?.legs.map(legLabel)).toEqual(["20", "22"]);
  });

  it("names a leg by its values when its name does not", () => {
    expect(legLabel(job("t", { name: "Unit tests", matrix: { os: "linux", v: { a: 1 } } }))).toBe('linux, {"a":1}');
  });

  it("draws needs as edges, without those that follow from others", () => {
    expect(edgesOf(groupJobs(JOBS))).toEqual([
      { from: "lint", to: "test" },
      { from: "test", to: "publish" },
    ]);
  });

  it("survives needs that are unknown or go round", () => {
    const groups = groupJobs([job("a", { needs: ["b", "gone"] }), job("b", { needs: ["a"] })]);
    expect(layoutGraph(groups, "LR").boxes).toHaveLength(2);
  });

  it("places what needs something behind it, and nothing on top of another", () => {
    const { boxes } = layoutGraph(groupJobs(JOBS), "LR");
    const [lint, test, publish] = boxes;
    expect(lint!.x + lint!.width).toBeLessThan(test!.x);
    expect(test!.x + test!.width).toBeLessThan(publish!.x);
    const wide = layoutGraph(groupJobs([job("a"), job("b"), job("c")]), "TB").boxes;
    expect(new Set(wide.map((box) => box.x)).size).toBe(3);
  });

  it("lays out 200 jobs", () => {
    const many = Array.from({ length: 200 }, (_, i) => job(`j${i}`, { needs: i > 0 ? [`j${Math.floor(i / 3)}`] : [] }));
    expect(layoutGraph(groupJobs(many), "LR").boxes).toHaveLength(200);
  });

  it("tells the state of a group from its legs", () => {
    const state = (...legs: Job[]) => groupState({ id: "t", name: "t", needs: [], isMatrix: true, legs });
    expect(state(leg("t", 1), leg("t", 2, { state: "running", outcome: null })).state).toBe("running");
    expect(state(leg("t", 1, { outcome: "failure" }), leg("t", 2, { state: "running", outcome: null })).outcome).toBe("failure");
    expect(state(leg("t", 1, { outcome: "failure", continue_on_error: true }), leg("t", 2)).outcome).toBe("success");
    expect(state(leg("t", 1, { outcome: "cancelled" }), leg("t", 2)).outcome).toBe("cancelled");
    expect(state(leg("t", 1, { outcome: "skipped" })).outcome).toBe("skipped");
  });
});
