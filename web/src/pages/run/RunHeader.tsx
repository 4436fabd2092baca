// The head of a run: what it is, how it stands or ended and whose fault that was, and what can be done.
import { Link, useNavigate } from "react-router";
import type { RunDetail } from "../../api/types.ts";
import { FaultTag, StatusFor } from "../../ui/StatusMark.tsx";
import { RefMark, runTitle, workflowName } from "../../ui/RunRow.tsx";
import { Ago, Took } from "../../ui/Time.tsx";
import { FAULTS, statusOf } from "../../ui/status.ts";
import { RunActions } from "./RunActions.tsx";
import { Said } from "../../ui/Said.tsx";

export function RunHeader({ run }: { run: RunDetail }) {
  const status = statusOf(run);
  const reason = run.state === "finished" ? (run.cancel_reason ?? run.reason) : (run.waits ?? run.cancel_reason);
  return (
    <header className={`run-head tone-${status.tone}`}>
      <div className="run-head-main">
        <nav aria-label="Where this page is" className="trail">
          <Link to={`/repos/${run.repository}`}>{run.repository}</Link>
          <span>
            {workflowName(run)} <span className="number">#{run.number}</span>
          </span>
        </nav>
        <h1>
          <Link to={`/runs/${run.id}`} className="quiet-link">
            {runTitle(run)}
          </Link>
        </h1>
        <p className="run-facts">
          <span className="run-status">
            <StatusFor it={run} />
            <FaultTag fault={run.fault} />
          </span>
          <span className="tabular" title="Duration">
            <Took it={run} />
          </span>
          <RefMark run={run} />
          <span>
            {run.event_id ? <Link to={`/events/${run.event_id}`}>{run.event}</Link> : run.event}
            {run.actor && ` by ${run.actor}`}
          </span>
          <Ago at={run.created_at} />
          <Attempts run={run} />
        </p>
        {(reason || run.fault) && (
          <p className="run-reason">
            {reason && <Said text={reason} />}
            {run.fault && run.fault !== "user" && <span className="muted"> {FAULTS[run.fault].meaning}</span>}
          </p>
        )}
      </div>
      <RunActions run={run} />
    </header>
  );
}

/** This attempt and the ones before. */
function Attempts({ run }: { run: RunDetail }) {
  const navigate = useNavigate();
  if (run.previous.length === 0) return null;
  const earlier = run.previous.map((id, index) => [id, index + 1] as const);
  return (
    <label className="select">
      <span className="sr-only">Attempt of this run</span>
      <select value={run.id} onChange={(event) => void navigate(`/runs/${event.target.value}`)}>
        <option value={run.id}>Attempt {run.attempt}</option>
        {earlier.reverse().map(([id, number]) => (
          <option key={id} value={id}>
            Attempt {number}
          </option>
        ))}
      </select>
    </label>
  );
}
