// Writes: a hook that does one, and a button that shows that it is being done and what went wrong.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, createContext, useContext, useMemo, useState } from "react";
import { asProblem } from "../api/problem.ts";
import { Icon } from "./Icon.tsx";
import { Said } from "./Said.tsx";

interface Notice {
  id: number;
  tone: "good" | "bad";
  title: string;
  hint: string | null;
}

const NoticeContext = createContext<(notice: Omit<Notice, "id">) => void>(() => undefined);

export const useNotice = () => useContext(NoticeContext);

const SHOWN_MS = 8_000;

/** Short messages in the corner; also read aloud. */
export function Notices({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<Notice[]>([]);
  const add = useMemo(() => {
    let next = 0;
    return (notice: Omit<Notice, "id">) => {
      const id = next++;
      setNotices((all) => [...all.slice(-3), { ...notice, id }]);
      if (notice.tone === "good") setTimeout(() => setNotices((all) => all.filter((one) => one.id !== id)), SHOWN_MS);
    };
  }, []);
  return (
    <NoticeContext.Provider value={add}>
      {children}
      <div className="notices" role="status" aria-live="polite">
        {notices.map((notice) => (
          <div key={notice.id} className={`notice tone-${notice.tone}`}>
            <div>
              <p><Said text={notice.title} /></p>
              {notice.hint && <p className="muted"><Said text={notice.hint} /></p>}
            </div>
            <button
              type="button"
              className="icon-button"
              aria-label="Dismiss"
              onClick={() => setNotices((all) => all.filter((one) => one.id !== notice.id))}
            >
              <Icon name="close" />
            </button>
          </div>
        ))}
      </div>
    </NoticeContext.Provider>
  );
}

/** A write: on success `refresh` resources are fetched anew; a failure is told with its hint. */
export function useWrite<A, R>(
  write: (argument: A) => Promise<R>,
  { refresh = [], done, then }: { refresh?: string[]; done?: string; then?: (result: R) => void } = {},
) {
  const client = useQueryClient();
  const notice = useNotice();
  return useMutation({
    mutationFn: write,
    onSuccess: (result) => {
      for (const resource of refresh) void client.invalidateQueries({ queryKey: [resource] });
      if (done) notice({ tone: "good", title: done, hint: null });
      then?.(result);
    },
    onError: (error) => {
      const problem = asProblem(error);
      const request = problem.requestId ? `Request ${problem.requestId}` : null;
      notice({ tone: "bad", title: problem.message, hint: [problem.hint, request].filter(Boolean).join(" · ") || null });
    },
  });
}
