// The rows of a log: the head of a section, and a line.
import { memo } from "react";
import type { LogLine } from "../api/types.ts";
import { clock } from "../lib/time.ts";
import { Icon } from "../ui/Icon.tsx";
import { StatusFor } from "../ui/StatusMark.tsx";
import { Took } from "../ui/Time.tsx";
import { LogText } from "./LogText.tsx";
import type { SectionHead } from "./sections.ts";

export function SectionRow({
  head,
  open,
  lines,
  onToggle,
}: { head: SectionHead; open: boolean; lines: number; onToggle: () => void }) {
  const { step } = head;
  return (
    <button
      type="button"
      className="log-section"
      aria-expanded={open}
      disabled={lines === 0}
      data-nav
      onClick={onToggle}
    >
      <span className={lines === 0 ? "twist none" : open ? "twist open" : "twist"}>
        <Icon name="chevron" size={12} />
      </span>
      {step ? <StatusFor it={step} word={false} /> : <span className="status tone-idle" />}
      <span className="log-section-name">{head.name}</span>
      {step?.outcome && step.conclusion && step.outcome !== step.conclusion && <span className="tag">continued on error</span>}
      <span className="log-section-took tabular">
        {step && (step.started_at || step.duration_ms !== null) ? <Took it={step} /> : ""}
      </span>
    </button>
  );
}

interface LineProps {
  line: LogLine;
  index: number;
  depth: number;
  find: string;
  times: boolean;
  current: boolean;
  /** For a line that opens a group. */
  folded: boolean | null;
  onFold: (index: number) => void;
  onPick: (index: number) => void;
}

const KIND_WORDS: Record<string, string> = {
  error: "Error: ",
  warning: "Warning: ",
  notice: "Notice: ",
  debug: "Debug: ",
};

export const LineRow = memo(function LineRow(props: LineProps) {
  const { line, index, depth, find, times, current, folded, onFold, onPick } = props;
  const kind = line.kind ?? "out";
  const word = KIND_WORDS[kind];
  return (
    <div className={`log-line kind-${kind}${current ? " current" : ""}`}>
      <a
        className="log-number"
        href={`#L${index + 1}`}
        tabIndex={-1}
        aria-label={`Line ${index + 1}`}
        onClick={(event) => {
          event.preventDefault();
          onPick(index);
        }}
      >
        {index + 1}
      </a>
      {times && <span className="log-time">{clock(line.t)}</span>}
      <span className={depth > 0 ? `log-text depth-${Math.min(depth, 4)}` : "log-text"}>
        {folded !== null && (
          <button type="button" className="log-fold" aria-expanded={!folded} onClick={() => onFold(index)}>
            <span className={folded ? "twist" : "twist open"}>
              <Icon name="chevron" size={10} />
            </span>
            <span className="sr-only">group </span>
            <LogText text={line.text} find={find} />
          </button>
        )}
        {folded === null && (
          <>
            {word && <b className="log-kind">{word}</b>}
            <LogText text={line.text} find={find} />
          </>
        )}
      </span>
    </div>
  );
});
