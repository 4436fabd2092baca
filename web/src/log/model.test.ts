import { describe, expect, it } from "vitest";
import type { LogLine } from "../api/types.ts";
import { type Fold, LogModel, type SectionKey } from "./model.ts";

const line = (text: string, step?: number, kind = "out"): LogLine => ({
  t: "2026-01-01T00:00:00Z",
  text,
  kind,
  ...(step === undefined ? {} : { step }),
});

const fold = (sections: SectionKey[], turned: number[] = []): Fold => ({
  sections: new Set(sections),
  turned: new Set(turned),
});

function sample(): LogModel {
  const model = new LogModel();
  model.append([
    line("prepare", undefined, "runner"), // 0
    line("run it", 0, "command"), // 1
    line("outer", 0, "group"), // 2
    line("a", 0), // 3
    line("inner", 0, "group"), // 4
    line("b", 0), // 5
    line("", 0, "end_group"), // 6
    line("c", 0), // 7
    line("", 0, "end_group"), // 8
    line("d", 0), // 9
    line("done", undefined, "runner"), // 10
  ]);
  return model;
}

describe("the log's rows", () => {
  it("has a section before, one per step and one after", () => {
    const model = sample();
    expect(model.linesIn("start")).toEqual([0]);
    expect(model.linesIn(0)).toHaveLength(9);
    expect(model.linesIn("end")).toEqual([10]);
    expect(model.rows(["start", 0, "end"], fold([]))).toEqual([{ section: "start" }, { section: 0 }, { section: "end" }]);
  });

  it("folds a group that has ended, with what lies in it", () => {
    expect(sample().rows([0], fold([0]))).toEqual([{ section: 0 }, 1, 2, 9]);
  });

  it("opens a group that the reader turned, and nested ones stay as they were", () => {
    expect(sample().rows([0], fold([0], [2]))).toEqual([{ section: 0 }, 1, 2, 3, 4, 7, 9]);
    expect(sample().rows([0], fold([0], [2, 4]))).toEqual([{ section: 0 }, 1, 2, 3, 4, 5, 7, 9]);
    expect(sample().depth.slice(2, 8)).toEqual([0, 1, 1, 2, 1, 1]);
  });

  it("keeps a group open that has not ended or has an error in it", () => {
    const model = new LogModel();
    model.append([line("live", 0, "group"), line("x", 0)]);
    expect(model.rows([0], fold([0]))).toEqual([{ section: 0 }, 0, 1]);
    model.append([line("bad", 0, "error"), line("", 0, "end_group")]);
    expect(model.rows([0], fold([0]))).toEqual([{ section: 0 }, 0, 1, 2]);
    expect(model.rows([0], fold([0], [0]))).toEqual([{ section: 0 }, 0]);
  });

  it("takes lines of several steps that come mixed", () => {
    const model = new LogModel();
    model.append([line("one", 0), line("two", 1), line("post one", 0)]);
    expect(model.rows([0, 1], fold([0, 1]))).toEqual([{ section: 0 }, 0, 2, { section: 1 }, 1]);
  });

  it("ignores an end without a beginning", () => {
    const model = new LogModel();
    model.append([line("", 0, "end_group"), line("x", 0)]);
    expect(model.rows([0], fold([0]))).toEqual([{ section: 0 }, 1]);
  });

  it("finds text without its colours, and the groups around a hit", () => {
    const model = sample();
    model.append([line("\x1b[31mFai\x1b[0mled", 1)]);
    expect(model.find("failed")).toEqual([11]);
    expect(model.find("")).toEqual([]);
    expect(model.groupsAround(5)).toEqual([2, 4]);
    expect(model.groupsAround(9)).toEqual([]);
  });

  it("keeps up with 100,000 lines", () => {
    const model = new LogModel();
    model.append(Array.from({ length: 100_000 }, (_, index) => line(`line ${index}`, 0)));
    expect(model.rows([0], fold([0]))).toHaveLength(100_001);
    expect(model.find("line 99999")).toEqual([99_999]);
  });
});
