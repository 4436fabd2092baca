// The machines that take jobs: state, labels, how busy, and what can be done with them.
import { useState } from "react";
import { useRunners } from "../../api/queries.ts";
import type { Runner } from "../../api/types.ts";
import { drain, removeRunner, resume } from "../../api/writes.ts";
import { useFilters } from "../../lib/filters.ts";
import { size } from "../../lib/time.ts";
import { Confirm } from "../../ui/Confirm.tsx";
import { SelectField } from "../../ui/Fields.tsx";
import { List, PageHead } from "../../ui/Page.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { StatusMark } from "../../ui/StatusMark.tsx";
import { Ago } from "../../ui/Time.tsx";
import { useWrite } from "../../ui/action.tsx";
import type { Status } from "../../ui/status.ts";
import { Said } from "../../ui/Said.tsx";

const STATES: Record<Runner["state"], Status> = {
  online: { label: "Online", tone: "good", shape: "check" },
  draining: { label: "Draining", tone: "warn", shape: "hand" },
  offline: { label: "Offline", tone: "bad", shape: "cross" },
};

export function RunnersPage() {
  const [filters, set, clear] = useFilters(["state"]);
  const list = useRunners(filters);
  const runners = list.items ?? [];
  const slots = runners.filter((one) => one.state !== "offline").reduce((sum, one) => sum + one.slots, 0);
  const busy = runners.reduce((sum, one) => sum + one.busy, 0);
  return (
    <>
      <PageHead title="Runners" />
      <div className="toolbar">
        <SelectField
          label="State"
          all="Any state"
          value={filters["state"] ?? ""}
          choices={Object.entries(STATES).map(([state, status]) => [state, status.label] as const)}
          onChange={(value) => set("state", value)}
        />
        <p className="summary" role="status">
          {list.items ? `${busy} of ${slots} slots busy` : "…"}
        </p>
      </div>
      <List
        list={list}
        label="Runners"
        rowHeight={57}
        row={(runner) => <Row key={runner.id} runner={runner} />}
        empty={
          filters["state"] ? (
            <Empty title="No runner is in this state.">
              <button type="button" className="button" onClick={clear}>
                Show all runners
              </button>
            </Empty>
          ) : (
            <Empty title="No runner has joined.">
              <p>Make a runner token on the Tokens page, then start one on any machine that reaches this hub:</p>
              <pre>gantry runner --hub {window.location.origin} --token gantry_…</pre>
            </Empty>
          )
        }
      />
    </>
  );
}

function Row({ runner }: { runner: Runner }) {
  return (
    <li className="row runner-row">
      <StatusMark status={STATES[runner.state]} word={false} />
      <div className="row-main">
        <p className="row-title" tabIndex={0} data-nav>
          {runner.name}
          {runner.ephemeral && <span className="tag">one job</span>}
        </p>
        <p className="row-sub">
          <span>{STATES[runner.state].label}</span>
          {runner.pool && <span>pool {runner.pool}</span>}
          {runner.version && <span>{runner.version}</span>}
          {runner.state === "offline" && runner.offline_reason && <span className="waits"><Said text={runner.offline_reason} /></span>}
        </p>
      </div>
      <p className="row-side tags">
        {runner.labels.map((label) => (
          <span key={label} className="tag">
            {label}
          </span>
        ))}
      </p>
      <div className="row-side runner-busy">
        <Slots runner={runner} />
        <span className="muted">{capacity(runner)}</span>
      </div>
      <p className="row-side">
        <span className="muted">seen </span>
        <Ago at={runner.seen_at} />
      </p>
      <Actions runner={runner} />
    </li>
  );
}

function capacity(runner: Runner): string {
  const { cpu_millis: cpu, memory_bytes: memory } = runner.capacity ?? {};
  return [cpu && `${cpu / 1_000} CPU`, memory && size(memory)].filter(Boolean).join(" · ");
}

const DRAWN_SLOTS = 16;

function Slots({ runner }: { runner: Runner }) {
  const drawn = Math.min(runner.slots, DRAWN_SLOTS);
  const full = runner.slots > 0 ? Math.round((runner.busy / runner.slots) * drawn) : 0;
  return (
    <span className="slots" title={`${runner.busy} of ${runner.slots} slots busy`}>
      <span className="slots-cells" aria-hidden="true">
        {Array.from({ length: drawn }, (_, index) => (
          <span key={index} className={index < full ? "cell busy" : "cell"} />
        ))}
      </span>
      <span className="tabular">
        {runner.busy}/{runner.slots}
      </span>
      <span className="sr-only">slots busy</span>
    </span>
  );
}

function Actions({ runner }: { runner: Runner }) {
  const [removing, setRemoving] = useState(false);
  const draining = runner.state === "draining";
  const change = useWrite(
    () => (draining ? resume(runner.id) : drain(runner.id)),
    { refresh: ["runners"], done: draining ? `${runner.name} takes jobs again` : `${runner.name} takes no new jobs` },
  );
  const remove = useWrite(() => removeRunner(runner.id), {
    refresh: ["runners"],
    done: `${runner.name} is removed`,
    then: () => setRemoving(false),
  });
  return (
    <div className="row-end buttons">
      {runner.state !== "offline" && (
        <button
          type="button"
          className="button small"
          disabled={change.isPending}
          aria-label={`${draining ? "Resume" : "Drain"} ${runner.name}`}
          onClick={() => change.mutate(undefined)}
        >
          {draining ? "Resume" : "Drain"}
        </button>
      )}
      <button type="button" className="button small danger" aria-label={`Remove ${runner.name}`} onClick={() => setRemoving(true)}>
        Remove
      </button>
      {removing && (
        <Confirm
          title={`Remove ${runner.name}?`}
          action="Remove runner"
          busy={remove.isPending}
          onConfirm={() => remove.mutate(undefined)}
          onClose={() => setRemoving(false)}
        >
          <p>
            Its credential ends at once.{" "}
            {runner.busy > 0
              ? `The ${runner.busy} jobs that it runs are lost there and are queued again. Drain it first to let them end.`
              : "It runs nothing now."}
          </p>
        </Confirm>
      )}
    </div>
  );
}
