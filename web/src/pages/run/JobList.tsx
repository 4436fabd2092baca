// The jobs of a run, legs of a matrix below their job. On a phone it folds into one line.
import { useMemo } from "react";
import { NavLink } from "react-router";
import type { Job, RunDetail } from "../../api/types.ts";
import { type JobGroup, groupJobs, groupState, legLabel } from "../../graph/groups.ts";
import { Icon } from "../../ui/Icon.tsx";
import { StatusFor } from "../../ui/StatusMark.tsx";
import { Took } from "../../ui/Time.tsx";

export function JobList({ run, current }: { run: RunDetail; current: string | null }) {
  const groups = useMemo(() => groupJobs(run.jobs), [run.jobs]);
  const shown = run.jobs.find((job) => job.id === current);
  return (
    <nav className="job-list" aria-label="Jobs">
      <details className="job-list-phone" key={current ?? "overview"}>
        <summary>
          <Icon name="list" size={14} /> {shown ? shown.name : `Overview · ${run.jobs.length} jobs`}
        </summary>
        <Groups run={run} groups={groups} />
      </details>
      <div className="job-list-wide">
        <Groups run={run} groups={groups} />
      </div>
    </nav>
  );
}

function Groups({ run, groups }: { run: RunDetail; groups: JobGroup[] }) {
  return (
    <ul>
      <li>
        <NavLink to={`/runs/${run.id}`} end className="job-link">
          <Icon name="list" />
          <span className="job-name">Overview</span>
        </NavLink>
      </li>
      {groups.map((group) => (
        <Group key={group.id} group={group} />
      ))}
      {groups.length === 0 && <li className="muted padded">No job is planned yet.</li>}
    </ul>
  );
}

function Group({ group }: { group: JobGroup }) {
  const [only] = group.legs;
  if (!group.isMatrix && only) {
    return (
      <li>
        <JobLink job={only} name={only.name} />
      </li>
    );
  }
  return (
    <li>
      <p className="job-group">
        <StatusFor it={groupState(group)} word={false} />
        <span className="job-name">{group.name}</span>
        <span className="count">{group.legs.length}</span>
      </p>
      <ul>
        {group.legs.map((leg) => (
          <li key={leg.id}>
            <JobLink job={leg} name={legLabel(leg)} />
          </li>
        ))}
      </ul>
    </li>
  );
}

function JobLink({ job, name }: { job: Job; name: string }) {
  return (
    <NavLink to={`/runs/${job.run}/jobs/${job.id}`} className="job-link" data-nav>
      <StatusFor it={job} word={false} />
      <span className="job-name" title={job.name}>
        {name}
      </span>
      <span className="job-took tabular">{job.started_at ? <Took it={job} /> : ""}</span>
    </NavLink>
  );
}
