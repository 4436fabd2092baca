// The log of an attempt on screen: only the rows in view are drawn, so that 100,000 lines scroll as ten do.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import type { Attempt } from "../api/types.ts";
import { Empty } from "../ui/Problem.tsx";
import { LineRow, SectionRow } from "./LogRow.tsx";
import { type LogOptions, LogToolbar } from "./LogToolbar.tsx";
import type { LogModel, Row } from "./model.ts";
import { headsOf, useFold } from "./sections.ts";
import { useFollow } from "./useFollow.ts";
import { useLog } from "./useLog.ts";

const SECTION_PX = 36;
const LINE_PX = 20;
const OVERSCAN = 20;

export function LogView({ attempt, label }: { attempt: Attempt; label: string }) {
  const log = useLog(attempt.id);
  const { model, version } = log;
  const heads = useMemo(() => headsOf(attempt, model), [attempt, model, version]);
  const { fold, setSection, setAll, turn } = useFold(heads, attempt);
  const rows = useMemo(() => model.rows(heads.map((head) => head.key), fold), [model, version, heads, fold]);
  const live = attempt.state !== "finished";
  const [options, setOptions] = useState<LogOptions>({ times: false, wrap: true, follow: live });
  const [find, setFind] = useState("");
  const hits = useMemo(() => (find ? model.find(find) : []), [model, version, find]);
  const [at, setAt] = useState(0);
  const [picked, setPicked] = useState<number | null>(null);
  const area = useRef<HTMLDivElement>(null);

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => area.current,
    estimateSize: (index) => (typeof rows[index] === "number" ? LINE_PX : SECTION_PX),
    getItemKey: (index) => keyOf(rows[index]),
    overscan: OVERSCAN,
    useAnimationFrameWithResizeObserver: true,
  });
  useEffect(() => virtual.measure(), [options.wrap, options.times]);

  const set = useCallback((option: keyof LogOptions, on: boolean) => setOptions((old) => ({ ...old, [option]: on })), []);
  const setFollow = useCallback((on: boolean) => set("follow", on), [set]);
  useFollow(area, rows.length, version, live && options.follow, live, setFollow);
  useLogKeys(options, set);

  const goal = useRef<number | null>(null);
  const show = useCallback(
    (line: number) => {
      const section = model.sectionOf(line);
      if (!fold.sections.has(section)) setSection(section, true);
      const folded = model.groupsAround(line).filter((group) => model.isFolded(group, fold));
      if (folded.length > 0) turn(folded);
      setOptions((old) => ({ ...old, follow: false }));
      setPicked(line);
      goal.current = line;
    },
    [model, fold, setSection, turn],
  );
  useFirstError(log.ended && attempt.state === "finished" ? model : null, (line) => {
    goal.current = line;
  });
  useEffect(() => {
    if (goal.current === null) return;
    const index = rows.indexOf(goal.current);
    if (index < 0) return;
    goal.current = null;
    virtual.scrollToIndex(index, { align: "center" });
  });
  useLineOfAddress(model.lines.length, show);
  const step = useCallback(
    (by: 1 | -1) => {
      if (hits.length === 0) return;
      const next = picked !== null && hits[at] === picked ? (at + by + hits.length) % hits.length : at % hits.length;
      setAt(next);
      const line = hits[next];
      if (line !== undefined) show(line);
    },
    [hits, at, picked, show],
  );
  const navigate = useNavigate();
  const pick = useCallback(
    (line: number) => {
      setPicked(line);
      void navigate({ hash: `L${line + 1}`, search: window.location.search }, { replace: true, preventScrollReset: true });
    },
    [navigate],
  );
  const foldGroup = useCallback((group: number) => turn([group]), [turn]);

  return (
    <div className="log">
      <LogToolbar
        attempt={attempt.id}
        options={options}
        live={live}
        find={find}
        hits={hits.length}
        at={Math.min(at, Math.max(0, hits.length - 1))}
        setFind={(text) => {
          setFind(text);
          setAt(0);
          setPicked(null);
        }}
        step={step}
        set={set}
        openAll={setAll}
      />
      {log.connection === "reconnecting" && (
        <p className="log-note" role="status">
          Reconnecting: lines that were written meanwhile will follow.
        </p>
      )}
      <div
        ref={area}
        className={options.wrap ? "log-area wrap" : "log-area"}
        tabIndex={0}
        role="region"
        aria-label={`Log of ${label}`}
      >
        {rows.length === 0 && <Nothing ended={log.ended} live={live} />}
        <div className="log-rows" style={{ height: virtual.getTotalSize() }}>
          <div className="log-window" style={{ transform: `translateY(${virtual.getVirtualItems()[0]?.start ?? 0}px)` }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows[item.index];
              if (row === undefined) return null;
              if (typeof row !== "number") {
                const head = heads.find((one) => one.key === row.section);
                if (!head) return null;
                return (
                  <div key={item.key} data-index={item.index} ref={virtual.measureElement}>
                    <SectionRow
                      head={head}
                      open={fold.sections.has(head.key)}
                      lines={model.linesIn(head.key).length}
                      onToggle={() => setSection(head.key, !fold.sections.has(head.key))}
                    />
                  </div>
                );
              }
              const line = model.lines[row];
              if (!line) return null;
              return (
                <div key={item.key} data-index={item.index} ref={virtual.measureElement}>
                  <LineRow
                    line={line}
                    index={row}
                    depth={model.depth[row] ?? 0}
                    find={find}
                    times={options.times}
                    current={picked === row}
                    folded={line.kind === "group" ? model.isFolded(row, fold) : null}
                    onFold={foldGroup}
                    onPick={pick}
                  />
                </div>
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}

function keyOf(row: Row | undefined): string | number {
  if (typeof row === "number") return row;
  return row ? `section ${row.section}` : "none";
}

function Nothing({ ended, live }: { ended: boolean; live: boolean }) {
  if (!ended) return <p className="log-note">{live ? "Waiting for the first line…" : "Loading the log…"}</p>;
  return <Empty title="This attempt wrote no log." />;
}

/** `#L12` of the address is shown as soon as that line is here. */
function useLineOfAddress(lines: number, show: (line: number) => void): void {
  const { hash } = useLocation();
  const done = useRef("");
  useEffect(() => {
    const line = Number(/^#L(\d+)$/.exec(hash)?.[1] ?? 0);
    if (line === 0 || done.current === hash || line > lines) return;
    done.current = hash;
    show(line - 1);
  }, [hash, lines, show]);
}

/** Where a failed attempt is opened: at its first error, unless the address names a line. */
function useFirstError(model: LogModel | null, go: (line: number) => void): void {
  const { hash } = useLocation();
  const done = useRef<LogModel | null>(null);
  useEffect(() => {
    if (!model || done.current === model) return;
    done.current = model;
    const error = hash ? -1 : model.lines.findIndex((line) => line.kind === "error");
    if (error >= 0) go(error);
  });
}

/** `w`, `t` and `f` while no field has the focus. */
function useLogKeys(options: LogOptions, set: (option: keyof LogOptions, on: boolean) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || document.querySelector("dialog[open]")) return;
      const option = ({ w: "wrap", t: "times", f: "follow" } as const)[event.key as "w" | "t" | "f"];
      if (option) set(option, !options[option]);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [options, set]);
}
