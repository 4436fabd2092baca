// What can be done with a log: find, times, wrap, follow, the raw text.
import type { KeyboardEvent } from "react";
import { BASE } from "../api/client.ts";
import { Icon } from "../ui/Icon.tsx";

export interface LogOptions {
  times: boolean;
  wrap: boolean;
  follow: boolean;
}

interface Props {
  attempt: string;
  options: LogOptions;
  live: boolean;
  find: string;
  hits: number;
  at: number;
  setFind: (find: string) => void;
  step: (by: 1 | -1) => void;
  set: (option: keyof LogOptions, on: boolean) => void;
  openAll: (open: boolean) => void;
}

export function LogToolbar({ attempt, options, live, find, hits, at, setFind, step, set, openAll }: Props) {
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  };
  return (
    <div className="log-toolbar" role="toolbar" aria-label="Log">
      <label className="search log-search">
        <Icon name="search" size={14} />
        <span className="sr-only">Find in this log</span>
        <input
          type="search"
          value={find}
          placeholder="Find in this log"
          spellCheck={false}
          autoComplete="off"
          data-search=""
          onChange={(event) => setFind(event.target.value)}
          onKeyDown={onKey}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <span className="log-hits tabular" role="status">
        {find ? (hits === 0 ? "no hit" : `${at + 1} of ${hits}`) : ""}
      </span>
      {find && hits > 0 && (
        <>
          <button type="button" className="icon-button" aria-label="Previous hit" onClick={() => step(-1)}>
            <span className="twist up">
              <Icon name="chevron" size={14} />
            </span>
          </button>
          <button type="button" className="icon-button" aria-label="Next hit" onClick={() => step(1)}>
            <span className="twist open">
              <Icon name="chevron" size={14} />
            </span>
          </button>
        </>
      )}
      <span className="grow" />
      {live && <Toggle name="Follow" on={options.follow} set={(on) => set("follow", on)} />}
      <Toggle name="Times" on={options.times} set={(on) => set("times", on)} />
      <Toggle name="Wrap" on={options.wrap} set={(on) => set("wrap", on)} />
      <button type="button" className="button small quiet" onClick={() => openAll(true)}>
        Open all
      </button>
      <button type="button" className="button small quiet" onClick={() => openAll(false)}>
        Fold all
      </button>
      <a
        className="button small quiet"
        href={`${BASE}/attempts/${attempt}/log/raw?timestamps=${options.times ? 1 : 0}`}
        download={`${attempt}.log`}
      >
        <Icon name="download" size={14} /> Raw
      </a>
    </div>
  );
}

function Toggle({ name, on, set }: { name: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <button type="button" className="button small toggle" aria-pressed={on} onClick={() => set(!on)}>
      {name}
    </button>
  );
}
