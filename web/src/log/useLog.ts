// Loads the log of an attempt and keeps up with it: what is there is read in parts, what follows comes by the stream,
// both by byte offset. Where the stream does not get through, the log is looked at again and again.
import { useEffect, useRef, useState } from "react";
import { url } from "../api/client.ts";
import { asProblem, problemOf } from "../api/problem.ts";
import type { LogLine } from "../api/types.ts";
import { type Connection, subscribe } from "../live/sse.ts";
import { LogModel } from "./model.ts";

const BATCH_MS = 80;
/** The first part is small, so that something is seen at once. */
const FIRST_BYTES = 256 * 1024;
const PART_BYTES = 8 * 1024 * 1024;
const POLL_MS = 1_500;

export interface Log {
  model: LogModel;
  /** Grows with every batch: what was computed from the model before is old. */
  version: number;
  connection: Connection;
  /** Nothing more will come. */
  ended: boolean;
  error: unknown;
}

/** Lines of an NDJSON text; a line that cannot be read is shown as it is. */
export function parseLines(text: string): LogLine[] {
  const lines: LogLine[] = [];
  for (const line of text.split("\n")) {
    if (!line) continue;
    try {
      lines.push(JSON.parse(line) as LogLine);
    } catch {
      lines.push({ t: "", text: line });
    }
  }
  return lines;
}

/** Whole lines from `offset` on, and where the next ones begin. */
async function part(attempt: string, offset: number, signal: AbortSignal): Promise<{ text: string; next: number }> {
  const limit = offset === 0 ? FIRST_BYTES : PART_BYTES;
  const answer = await fetch(url(`/attempts/${attempt}/log`, { offset, limit }), { signal });
  if (!answer.ok) {
    const body: unknown = await answer.json().catch(() => null);
    throw problemOf(answer.status, body, answer.headers.get("x-request-id"));
  }
  const bytes = await answer.arrayBuffer();
  return { text: new TextDecoder().decode(bytes), next: offset + bytes.byteLength };
}

type State = Omit<Log, "model">;
const EMPTY: State = { version: 0, connection: "connecting", ended: false, error: null };

export function useLog(attempt: string, finished: boolean): Log {
  const model = useRef(new LogModel());
  const [state, setState] = useState<State>(EMPTY);
  const isFinished = useRef(finished);
  isFinished.current = finished;

  useEffect(() => {
    model.current = new LogModel();
    setState(EMPTY);
    const gone = new AbortController();
    let offset = 0;
    let waiting: LogLine[] = [];
    let showing: ReturnType<typeof setTimeout> | undefined;
    let polling: ReturnType<typeof setTimeout> | undefined;
    let stop = () => undefined as void;
    const change = (changes: Partial<State>) => setState((old) => ({ ...old, ...changes }));
    const show = () => {
      showing = undefined;
      if (waiting.length === 0) return;
      model.current.append(waiting);
      waiting = [];
      setState((old) => ({ ...old, version: old.version + 1 }));
    };
    const end = () => {
      show();
      change({ ended: true, connection: "live" });
    };
    /** Reads all that is there. */
    const read = async () => {
      for (;;) {
        const { text, next } = await part(attempt, offset, gone.signal);
        if (next === offset) return;
        offset = next;
        waiting = waiting.concat(parseLines(text));
        show();
      }
    };
    const poll = async () => {
      const last = isFinished.current;
      await read().catch((error: unknown) => change({ error: gone.signal.aborted ? null : asProblem(error) }));
      if (gone.signal.aborted) return;
      if (last) end();
      else polling = setTimeout(() => void poll(), POLL_MS);
    };
    const follow = () => {
      stop = subscribe({
        address: (id) => url(`/attempts/${attempt}/log/stream`, { offset: id ?? offset }),
        endsWith: "end",
        onState: (connection) => {
          if (connection === "refused") void poll();
          else change({ connection });
        },
        onEvent: (event) => {
          if (event.event === "end") end();
          if (event.event !== "lines") return;
          if (event.id !== null) offset = Number(event.id);
          waiting = waiting.concat(parseLines(event.data));
          showing ??= setTimeout(show, BATCH_MS);
        },
      });
    };
    const begin = () => {
      read().then(
        () => {
          change({ error: null });
          if (isFinished.current) end();
          else follow();
        },
        (error: unknown) => {
          if (gone.signal.aborted) return;
          change({ error: asProblem(error) });
          polling = setTimeout(begin, POLL_MS);
        },
      );
    };
    begin();
    return () => {
      gone.abort();
      stop();
      clearTimeout(showing);
      clearTimeout(polling);
    };
  }, [attempt]);

  return { model: model.current, ...state };
}
