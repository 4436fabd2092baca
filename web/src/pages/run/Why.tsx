// Why a run or a job is where it is: what it waits for, and what was decided on the way.
import { useState } from "react";
import { useWhy } from "../../api/queries.ts";
import { fullTime } from "../../lib/time.ts";
import { ShapeIcon } from "../../ui/Icon.tsx";
import { ProblemBox, SkeletonRows } from "../../ui/Problem.tsx";
import { Said } from "../../ui/Said.tsx";

export function Why({ run, job, open: first }: { run: string; job: string | null; open: boolean }) {
  const [open, setOpen] = useState(first);
  return (
    <details className="panel why" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{job ? "Why is this job where it is?" : "Why is this run where it is?"}</summary>
      {open && <Answer run={run} job={job} />}
    </details>
  );
}

function Answer({ run, job }: { run: string; job: string | null }) {
  const why = useWhy(run, job);
  if (why.isPending) return <SkeletonRows rows={3} height={28} />;
  if (why.isError) return <ProblemBox error={why.error} retry={() => void why.refetch()} />;
  const { constraints, decisions } = why.data;
  return (
    <div className="why-body">
      {constraints.length > 0 && (
        <ul className="constraints" aria-label="Conditions">
          {constraints.map((one, index) => (
            <li key={index} className={one.met ? "tone-good" : "tone-warn"}>
              <ShapeIcon shape={one.met ? "check" : "clock"} />
              <span className="sr-only">{one.met ? "met: " : "not met: "}</span>
              <span>
                <Said text={one.what} />
                {one.detail && <span className="muted"> <Said text={one.detail} /></span>}
              </span>
            </li>
          ))}
        </ul>
      )}
      {decisions.length > 0 ? (
        <ol className="decisions" aria-label="Decisions">
          {decisions.map((one, index) => (
            <li key={index}>
              <time dateTime={one.at} title={fullTime(one.at)}>
                {one.at.slice(11, 19)}
              </time>
              <span className="tag">{one.kind}</span>
              <span>
                {one.job && <span className="strong">{one.job}: </span>}
                <Said text={one.reason} />
              </span>
            </li>
          ))}
        </ol>
      ) : (
        constraints.length === 0 && <p className="muted padded">Nothing stands in its way, and nothing was decided yet.</p>
      )}
    </div>
  );
}
