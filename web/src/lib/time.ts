// Times and sizes as people read them.

const UNITS: [number, string][] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
];

/** `1h 4m`, `2m 5s`, `3.4s`, `120ms`: the two largest units. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < 0) return "0s";
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)}s`;
  let rest = Math.round(ms / 1_000) * 1_000;
  const parts: string[] = [];
  for (const [size, name] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${name}`);
    if (parts.length > 0 && (count === 0 || parts.length === 2)) break;
  }
  return parts.join(" ");
}

/** `just now`, `5m ago`, `in 3d`; a date when it is more than 30 days away. */
export function ago(at: string | number | null | undefined, now: number): string {
  const time = millis(at);
  if (time === null) return "–";
  const away = now - time;
  const size = Math.abs(away);
  if (size < 5_000) return "just now";
  if (size > 30 * 86_400_000) return new Date(time).toISOString().slice(0, 10);
  const [unit, name] = UNITS.find(([unit]) => size >= unit) ?? [1_000, "s"];
  const text = `${Math.floor(size / unit)}${name}`;
  return away > 0 ? `${text} ago` : `in ${text}`;
}

export function millis(at: string | number | null | undefined): number | null {
  if (at === null || at === undefined) return null;
  const time = typeof at === "number" ? at : Date.parse(at);
  return Number.isNaN(time) ? null : time;
}

/** Time that has passed: the recorded one when it has ended, else up to now. */
export function elapsed(
  it: { started_at: string | null; ended_at: string | null; duration_ms: number | null },
  now: number,
): number | null {
  if (it.duration_ms !== null && it.ended_at !== null) return it.duration_ms;
  const start = millis(it.started_at);
  if (start === null) return it.duration_ms;
  return Math.max(0, (millis(it.ended_at) ?? now) - start);
}

/** `12:03:04.120` in the reader's time zone. */
export function clock(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** The full local date and time, for titles. */
export function fullTime(at: string | null | undefined): string {
  const time = millis(at);
  return time === null ? "" : new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

/** `512 B`, `1.2 MiB`. */
export function size(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return "–";
  if (bytes < 1_024) return `${bytes} B`;
  let value = bytes;
  let unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1_024) break;
    value /= 1_024;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
