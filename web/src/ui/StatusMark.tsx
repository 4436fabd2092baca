// The signs of states: icon and word, or the icon with the word for screen readers only.
import type { Fault } from "../api/types.ts";
import { ShapeIcon } from "./Icon.tsx";
import { FAULTS, type Has, type Status, statusOf } from "./status.ts";

export function StatusMark({ status, word = true }: { status: Status; word?: boolean }) {
  return (
    <span className={`status tone-${status.tone}`} title={word ? undefined : status.label}>
      <ShapeIcon shape={status.shape} />
      <span className={word ? "status-word" : "sr-only"}>{status.label}</span>
    </span>
  );
}

export function StatusFor({ it, word = true }: { it: Has; word?: boolean }) {
  return <StatusMark status={statusOf(it)} word={word} />;
}

/** Outcome × fault: whose fault it was, beside how it ended. */
export function FaultTag({ fault }: { fault: Fault | null | undefined }) {
  if (!fault) return null;
  const words = FAULTS[fault];
  return (
    <span className={`tag tone-${words.tone}`} title={words.meaning}>
      {words.shape && <ShapeIcon shape={words.shape} size={12} />}
      <span className="sr-only">fault: </span>
      {words.label}
    </span>
  );
}
