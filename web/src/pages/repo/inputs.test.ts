import { describe, expect, it } from "vitest";
import type { DispatchInput } from "../../api/types.ts";
import { initial, problems, sent } from "./inputs.ts";

const input = (name: string, type: string, more: Partial<DispatchInput> = {}): DispatchInput => ({
  name,
  type,
  description: null,
  required: false,
  default: null,
  options: [],
  ...more,
});

const INPUTS = [
  input("target", "choice", { options: ["staging", "production"] }),
  input("dry", "boolean", { default: "true" }),
  input("count", "number", { default: "3" }),
  input("note", "string", { required: true }),
  input("extra", "string"),
];

describe("the form of a dispatch", () => {
  it("begins with the defaults, and a choice with its first option", () => {
    expect(initial(INPUTS)).toEqual({ target: "staging", dry: true, count: "3", note: "", extra: "" });
  });

  it("names what is missing or no number", () => {
    const values = { ...initial(INPUTS), count: "many" };
    expect(Object.keys(problems(INPUTS, values))).toEqual(["count", "note"]);
    expect(problems(INPUTS, { ...values, count: "", note: "x" })).toEqual({});
  });

  it("sends texts and leaves out what is empty", () => {
    expect(sent(INPUTS, { ...initial(INPUTS), note: "go", dry: false })).toEqual({
      target: "staging",
      dry: "false",
      count: "3",
      note: "go",
    });
  });
});
