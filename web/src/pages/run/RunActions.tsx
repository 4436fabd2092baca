// What can be done with a run: approve, cancel, re-run all, the failed ones or one job.
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import type { RunDetail } from "../../api/types.ts";
import { approveRun, cancelRun, rerun } from "../../api/writes.ts";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useWrite } from "../../ui/action.tsx";
import { isOpen } from "../../ui/status.ts";

export function RunActions({ run }: { run: RunDetail }) {
  const [rerunning, setRerunning] = useState(false);
  const cancel = useWrite(
    (force: boolean) => cancelRun(run.id, force),
    { refresh: ["runs", "queue"], done: "The run is being cancelled" },
  );
  const approve = useWrite(() => approveRun(run.id), {
    refresh: ["runs", "queue"],
    done: "The run is approved and starts",
  });
  const open = isOpen(run);
  return (
    <div className="page-actions">
      {open && run.approval === "required" && (
        <button type="button" className="button primary" disabled={approve.isPending} onClick={() => approve.mutate(undefined)}>
          Approve and run
        </button>
      )}
      {open && run.state !== "cancelling" && (
        <button type="button" className="button danger" disabled={cancel.isPending} onClick={() => cancel.mutate(false)}>
          <Icon name="stop" size={12} /> Cancel run
        </button>
      )}
      {run.state === "cancelling" && (
        <button type="button" className="button danger" disabled={cancel.isPending} onClick={() => cancel.mutate(true)}>
          Force cancel
        </button>
      )}
      {!open && (
        <button type="button" className="button" onClick={() => setRerunning(true)}>
          <Icon name="again" size={14} /> Re-run
        </button>
      )}
      {rerunning && <Rerun run={run} onClose={() => setRerunning(false)} />}
    </div>
  );
}

function Rerun({ run, onClose }: { run: RunDetail; onClose: () => void }) {
  const { job: jobId } = useParams();
  const job = run.jobs.find((one) => one.id === jobId);
  const failed = run.jobs.filter((one) => one.outcome !== "success" && one.outcome !== "skipped");
  const [what, setWhat] = useState<"all" | "failed" | "one">(job ? "one" : failed.length > 0 ? "failed" : "all");
  const [one, setOne] = useState(job?.key ?? run.jobs[0]?.key ?? "");
  const [latest, setLatest] = useState(false);
  const navigate = useNavigate();
  const start = useWrite(
    () =>
      rerun(run.id, {
        jobs: what === "one" ? [one] : what,
        configuration: latest ? "latest" : "same",
      }),
    {
      refresh: ["runs", "queue"],
      done: "The run is started again",
      then: (next) => {
        onClose();
        void navigate(`/runs/${next.id}`);
      },
    },
  );
  const choices: ["all" | "failed" | "one", string, boolean][] = [
    ["all", `All ${run.jobs.length} jobs`, true],
    ["failed", `The ${failed.length} that did not succeed, and what needs them`, failed.length > 0],
    ["one", "One job, and what needs it", run.jobs.length > 0],
  ];
  return (
    <Dialog title="Re-run" onClose={onClose}>
      <fieldset className="choices">
        <legend>Jobs</legend>
        {choices.map(([value, name, possible]) => (
          <label key={value}>
            <input
              type="radio"
              name="what"
              value={value}
              checked={what === value}
              disabled={!possible}
              onChange={() => setWhat(value)}
            />
            {name}
          </label>
        ))}
        {what === "one" && (
          <select className="input" aria-label="Job" value={one} onChange={(event) => setOne(event.target.value)}>
            {run.jobs.map((each) => (
              <option key={each.id} value={each.key}>
                {each.name}
              </option>
            ))}
          </select>
        )}
      </fieldset>
      <fieldset className="choices">
        <legend>Configuration</legend>
        <label>
          <input type="radio" name="configuration" checked={!latest} onChange={() => setLatest(false)} />
          The same as before: same commit, workflow file and pinned actions
        </label>
        <label>
          <input type="radio" name="configuration" checked={latest} onChange={() => setLatest(true)} />
          The latest configuration of the hub, at the same commit
        </label>
      </fieldset>
      <div className="dialog-foot">
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="button" className="button primary" disabled={start.isPending} onClick={() => start.mutate(undefined)}>
          {start.isPending ? "Starting…" : "Re-run"}
        </button>
      </div>
    </Dialog>
  );
}
