// One job of a run: how it stands, its attempts, and the log of the chosen one.
import { Link, useSearchParams } from "react-router";
import type { Attempt, Job, RunDetail } from "../../api/types.ts";
import { cancelJob } from "../../api/writes.ts";
import { size } from "../../lib/time.ts";
import { LogView } from "../../log/LogView.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { FaultTag, StatusFor } from "../../ui/StatusMark.tsx";
import { Took } from "../../ui/Time.tsx";
import { useWrite } from "../../ui/action.tsx";
import { FAULTS, isOpen, statusOf } from "../../ui/status.ts";
import { Why } from "./Why.tsx";
import { Said } from "../../ui/Said.tsx";

export function JobPanel({ run, job }: { run: RunDetail; job: Job }) {
  const [params, setParams] = useSearchParams();
  const wanted = params.get("attempt");
  const attempt = job.attempts.find((one) => one.id === wanted) ?? job.attempts.at(-1);
  const isLast = attempt === job.attempts.at(-1);
  const shown = attempt && !isLast ? attempt : job;
  const reason = shown.reason ?? (attempt?.cancel_reason || null);
  return (
    <section className="job" aria-label={`Job ${job.name}`}>
      <header className="job-head">
        <div className="job-title">
          <h2>{job.name}</h2>
          <StatusFor it={shown} />
          <FaultTag fault={shown.fault} />
          <span className="tabular muted">{shown.started_at && <Took it={shown} />}</span>
          {job.continue_on_error && <span className="tag">may fail</span>}
        </div>
        <div className="buttons">
          {job.attempts.length > 1 && (
            <label className="select">
              <span className="sr-only">Attempt of this job</span>
              <select
                value={attempt?.id}
                onChange={(event) => setParams({ attempt: event.target.value }, { replace: true })}
              >
                {[...job.attempts].reverse().map((one) => (
                  <option key={one.id} value={one.id}>
                    Try {one.number}: {statusOf(one).label}
                  </option>
                ))}
              </select>
            </label>
          )}
          {isOpen(job) && isOpen(run) && <CancelJob job={job} />}
        </div>
      </header>
      <p className="job-facts">
        {attempt?.runner && <span>on {attempt.runner.name}</span>}
        {job.runs_on.length > 0 && <span>{job.runs_on.join(", ")}</span>}
        {job.needs.length > 0 && <span>needs {job.needs.join(", ")}</span>}
        {attempt && <Usage attempt={attempt} />}
      </p>
      {reason && (
        <p className="run-reason">
          <Said text={reason} />
          {shown.fault && shown.fault !== "user" && <span className="muted"> {FAULTS[shown.fault].meaning}</span>}
        </p>
      )}
      {attempt ? <LogView key={attempt.id} attempt={attempt} label={job.name} /> : <NotStarted run={run} job={job} />}
    </section>
  );
}

function CancelJob({ job }: { job: Job }) {
  const cancel = useWrite(() => cancelJob(job.id), {
    refresh: ["runs", "queue"],
    done: `${job.name} is being cancelled`,
  });
  return (
    <button type="button" className="button small danger" disabled={cancel.isPending} onClick={() => cancel.mutate(undefined)}>
      Cancel job
    </button>
  );
}

function Usage({ attempt }: { attempt: Attempt }) {
  const { cpu_ms: cpu, memory_peak_bytes: memory } = attempt.usage;
  const { tests } = attempt;
  return (
    <>
      {cpu >= 50 && <span>{(cpu / 1_000).toFixed(1)} CPU-s</span>}
      {memory > 0 && <span>{size(memory)} of memory at most</span>}
      {tests && (
        <span>
          {tests.total} tests, {tests.failed} failed, {tests.skipped} skipped
        </span>
      )}
    </>
  );
}

function NotStarted({ run, job }: { run: RunDetail; job: Job }) {
  const words = {
    waiting: "This job waits for others to end.",
    queued: "This job is queued.",
    running: "This job is about to start.",
    finished: "This job did not run.",
  }[job.state];
  return (
    <>
      <Empty title={words}>
        {job.hold && (
          <p>
            <Said text={job.hold} />
          </p>
        )}
        {run.waits_for
          .filter((wait) => wait.leg === job.key)
          .map((wait) => (
            <p key={wait.group}>
              <Said text={wait.reason} />
            </p>
          ))}
        {job.state === "queued" && (
          <p>
            Its place is shown in the <Link to="/queue">queue</Link>.
          </p>
        )}
      </Empty>
      <Why run={run.id} job={job.key} open />
    </>
  );
}
