import { describe, expect, it } from "vitest";
import type { Repo } from "../../api/types.ts";
import { matches, sorted } from "./views.ts";

const repo = (name: string, last: string | null, more: Partial<Repo> = {}) =>
  ({
    name,
    enabled: true,
    open_runs: 0,
    recent: [],
    last_run: last === null ? null : { outcome: last || null, created_at: name },
    ...more,
  }) as unknown as Repo;

const BROKEN = repo("b", "failure");
const AGAIN = repo("c", "", { open_runs: 1, recent: [{ run: "r", outcome: "failure", duration_ms: 1, ended_at: null }] });
const FINE = repo("a", "success");
const NEW = repo("d", null, { enabled: false });
const ALL = [BROKEN, AGAIN, FINE, NEW];
const names = (repos: Repo[]) => repos.map((one) => one.name).join("");

describe("views of the fleet", () => {
  it("a repository that failed is failing until a run ends otherwise, also while one runs", () => {
    expect(names(ALL.filter((one) => matches(one, "failing")))).toBe("bc");
  });

  it("running and disabled ones", () => {
    expect(names(ALL.filter((one) => matches(one, "running")))).toBe("c");
    expect(names(ALL.filter((one) => matches(one, "disabled")))).toBe("d");
    expect(names(ALL.filter((one) => matches(one, "all")))).toBe("bcad");
  });

  it("orders by name, by the latest run, or the failing first", () => {
    expect(names(sorted(ALL, ""))).toBe("abcd");
    expect(names(sorted(ALL, "latest"))).toBe("cbad");
    expect(names(sorted(ALL, "attention"))).toBe("bcad");
  });
});
