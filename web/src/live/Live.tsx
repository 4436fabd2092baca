// One stream for the whole page: its scope follows what is shown, its state is shown in the header.
import { type Query, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, createContext, useContext, useEffect, useMemo, useRef, useState } from "react";
import { url } from "../api/client.ts";
import type { RunSummary } from "../api/types.ts";
import { statusOf } from "../ui/status.ts";
import { Changes } from "./apply.ts";
import { type Connection, subscribe } from "./sse.ts";

interface Live {
  connection: Connection;
  /** The last change that is worth saying aloud. */
  said: string;
  follow: (run: string | null) => void;
}

const LiveContext = createContext<Live>({ connection: "connecting", said: "", follow: () => undefined });

export const useLive = () => useContext(LiveContext);

/** While mounted, the stream also carries the steps of this run. */
export function useFollowRun(run: string): void {
  const { follow } = useLive();
  useEffect(() => {
    follow(run);
    return () => follow(null);
  }, [follow, run]);
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");
  const [said, setSaid] = useState("");
  const [run, follow] = useState<string | null>(null);
  const lastId = useRef<string | null>(null);
  const followed = useRef<string | null>(null);
  followed.current = run;

  useEffect(() => {
    const changes = new Changes(client, (now, before) => {
      if (now.id === followed.current && before && sentence(before) !== sentence(now)) setSaid(sentence(now));
    });
    const stop = subscribe({
      address: () => url("/stream", { runs: 1, queue: 1, run }),
      lastId: lastId.current,
      onEvent: (event) => {
        if (event.id !== null) lastId.current = event.id;
        changes.apply(event);
      },
      onState: (state) => {
        // A change of scope is no break.
        setConnection((old) => (state === "connecting" && old === "live" ? old : state));
        // Without an id to resume after, what changed before the stream was open is fetched.
        if (state === "live" && lastId.current === null) void client.invalidateQueries({ predicate: isOld(Date.now()) });
        if (state === "refused") void client.invalidateQueries({ queryKey: ["me"] });
      },
    });
    return () => {
      stop();
      changes.stop();
    };
  }, [client, run]);

  const value = useMemo(() => ({ connection, said, follow }), [connection, said]);
  return <LiveContext.Provider value={value}>{children}</LiveContext.Provider>;
}

function isOld(now: number) {
  return (query: Query) => query.state.dataUpdatedAt > 0 && query.state.dataUpdatedAt < now;
}

function sentence(run: RunSummary): string {
  return `${run.name}: ${statusOf(run).label}`;
}
