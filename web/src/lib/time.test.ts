import { describe, expect, it } from "vitest";
import { ago, duration, elapsed, size } from "./time.ts";

describe("times", () => {
  it.each([
    [null, "–"],
    [0, "0ms"],
    [120, "120ms"],
    [3_400, "3.4s"],
    [9_960, "10s"],
    [59_700, "1m"],
    [125_000, "2m 5s"],
    [3_600_000, "1h"],
    [3_605_000, "1h"],
    [3_840_000, "1h 4m"],
    [90_061_000, "1d 1h"],
    [-5, "0s"],
  ])("a duration of %s is %s", (ms, text) => expect(duration(ms)).toBe(text));

  it("says how long ago, how far ahead, and dates what is far", () => {
    const now = Date.parse("2026-03-01T12:00:00Z");
    expect(ago("2026-03-01T11:59:58Z", now)).toBe("just now");
    expect(ago("2026-03-01T11:55:00Z", now)).toBe("5m ago");
    expect(ago("2026-03-04T12:00:00Z", now)).toBe("in 3d");
    expect(ago("2025-12-01T00:00:00Z", now)).toBe("2025-12-01");
    expect(ago(null, now)).toBe("–");
    expect(ago("never", now)).toBe("–");
  });

  it("counts on until something has ended", () => {
    const now = Date.parse("2026-03-01T12:00:10Z");
    const running = { started_at: "2026-03-01T12:00:00Z", ended_at: null, duration_ms: null };
    expect(elapsed(running, now)).toBe(10_000);
    expect(elapsed({ ...running, ended_at: "2026-03-01T12:00:04Z", duration_ms: 4_000 }, now)).toBe(4_000);
    expect(elapsed({ started_at: null, ended_at: null, duration_ms: null }, now)).toBeNull();
  });

  it.each([
    [0, "0 B"],
    [1_023, "1023 B"],
    [1_536, "1.5 KiB"],
    [25 * 1_048_576, "25 MiB"],
  ])("a size of %s is %s", (bytes, text) => expect(size(bytes)).toBe(text));
});
