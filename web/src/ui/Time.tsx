// Times that stay right while they are shown.
import { useSyncExternalStore } from "react";
import { ago, duration, elapsed, fullTime } from "../lib/time.ts";

let now = Date.now();
const listeners = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  ticking ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
  };
}

/** The clock, to the second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => {
    if (!ticking) now = Math.floor(Date.now() / 1_000) * 1_000;
    return now;
  });
}

export function Ago({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span className="muted">–</span>;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {ago(at, now)}
    </time>
  );
}

interface Spanning {
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
}

export function Took({ it }: { it: Spanning }) {
  return it.ended_at === null && it.started_at !== null ? <Running it={it} /> : <>{duration(elapsed(it, 0))}</>;
}

function Running({ it }: { it: Spanning }) {
  const ms = elapsed(it, useNow());
  return <>{duration(ms === null ? null : Math.floor(ms / 1_000) * 1_000 || 1_000)}</>;
}
