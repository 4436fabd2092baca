// Loads the log of an attempt and keeps up with it: resumed by its byte offset, shown in small batches.
import { useEffect, useRef, useState } from "react";
import { url } from "../api/client.ts";
import type { LogLine } from "../api/types.ts";
import { type Connection, subscribe } from "../live/sse.ts";
import { LogModel } from "./model.ts";

const BATCH_MS = 80;

export interface Log {
  model: LogModel;
  /** Grows with every batch: what was computed from the model before is old. */
  version: number;
  connection: Connection;
  /** Nothing more will come. */
  ended: boolean;
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

export function useLog(attempt: string): Log {
  const model = useRef(new LogModel());
  const [state, setState] = useState<Omit<Log, "model">>({ version: 0, connection: "connecting", ended: false });

  useEffect(() => {
    model.current = new LogModel();
    setState({ version: 0, connection: "connecting", ended: false });
    let waiting: LogLine[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let first = true;
    const show = () => {
      timer = undefined;
      if (waiting.length === 0) return;
      model.current.append(waiting);
      waiting = [];
      setState((old) => ({ ...old, version: old.version + 1 }));
    };
    const stop = subscribe({
      address: (offset) => url(`/attempts/${attempt}/log/stream`, { offset: offset ?? 0 }),
      endsWith: "end",
      onState: (connection) => setState((old) => ({ ...old, connection })),
      onEvent: (event) => {
        if (event.event === "lines") {
          for (const line of parseLines(event.data)) waiting.push(line);
          if (first) show();
          else timer ??= setTimeout(show, BATCH_MS);
          first = false;
        } else if (event.event === "end") {
          show();
          setState((old) => ({ ...old, ended: true }));
        }
      },
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [attempt]);

  return { model: model.current, ...state };
}
