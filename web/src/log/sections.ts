// Which sections a log has and which are open: what runs and what failed is open without being asked.
import { useCallback, useMemo, useRef, useState } from "react";
import type { Attempt, Step } from "../api/types.ts";
import type { LogModel, SectionKey } from "./model.ts";

export interface SectionHead {
  key: SectionKey;
  name: string;
  step: Step | null;
}

export function headsOf(attempt: Attempt, model: LogModel): SectionHead[] {
  const heads: SectionHead[] = [];
  if (model.has("start")) heads.push({ key: "start", name: "Set up job", step: null });
  for (const step of attempt.steps) heads.push({ key: step.index, name: step.name, step });
  if (model.has("end")) heads.push({ key: "end", name: "Complete job", step: null });
  return heads;
}

/** Whether a section is open when the reader has said nothing. */
export function opensItself(head: SectionHead, attempt: Attempt): boolean {
  const { step } = head;
  if (step) return step.state === "running" || step.outcome === "failure" || step.outcome === "timed_out";
  const failedStep = attempt.steps.some((one) => one.outcome === "failure" || one.outcome === "timed_out");
  const bad = attempt.outcome !== null && attempt.outcome !== "success" && !failedStep;
  if (bad) return true;
  return head.key === "start" && attempt.state !== "finished" && !attempt.steps.some((one) => one.state !== "pending");
}

export function useFold(heads: SectionHead[], attempt: Attempt) {
  const [said, setSaid] = useState<ReadonlyMap<SectionKey, boolean>>(new Map());
  const [turned, setTurned] = useState<ReadonlySet<number>>(new Set());
  // What opened itself stays open, so that nothing jumps away from under a reader.
  const opened = useRef(new Set<SectionKey>());
  const attemptId = useRef(attempt.id);
  if (attemptId.current !== attempt.id) {
    attemptId.current = attempt.id;
    opened.current = new Set();
    setSaid(new Map());
    setTurned(new Set());
  }
  const sections = useMemo(() => {
    const open = new Set<SectionKey>();
    for (const head of heads) {
      if (opensItself(head, attempt)) opened.current.add(head.key);
      if (said.get(head.key) ?? opened.current.has(head.key)) open.add(head.key);
    }
    return open;
  }, [heads, attempt, said]);

  const setSection = useCallback(
    (key: SectionKey, open: boolean) => setSaid((old) => new Map(old).set(key, open)),
    [],
  );
  const setAll = useCallback(
    (open: boolean) => setSaid(new Map(heads.map((head) => [head.key, open]))),
    [heads],
  );
  const turn = useCallback((groups: readonly number[]) => {
    setTurned((old) => {
      const next = new Set(old);
      for (const group of groups) if (!next.delete(group)) next.add(group);
      return next;
    });
  }, []);
  const fold = useMemo(() => ({ sections, turned }), [sections, turned]);
  return { fold, setSection, setAll, turn };
}
