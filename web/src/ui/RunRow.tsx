// One run in a list, and the small parts of it that other pages show too.
import { Link } from "react-router";
import type { RunSummary } from "../api/types.ts";
import { Icon } from "./Icon.tsx";
import { FaultTag, StatusFor } from "./StatusMark.tsx";
import { statusOf } from "./status.ts";
import { Ago, Took } from "./Time.tsx";
import { Said } from "./Said.tsx";

export function shortRef(ref: string | null): string {
  return (ref ?? "").replace(/^refs\/(heads|tags)\//, "").replace(/^refs\/pull\/(\d+)\/.*/, "PR #$1");
}

/** Empty for a commit that is not known. */
export function shortSha(sha: string | null): string {
  return /^0*$/.test(sha ?? "") ? "" : (sha ?? "").slice(0, 8);
}

export function firstLine(text: string | null): string {
  return (text ?? "").split("\n", 1)[0] ?? "";
}

/** What a run is called: its message when it has one, else its name. */
export function runTitle(run: RunSummary): string {
  return firstLine(run.message) || run.name || `${run.event} in ${run.repository}`;
}

/** The workflow's name; a run whose workflow could not be read has none. */
export function workflowName(run: RunSummary): string {
  return run.workflow.name || run.name || "no workflow";
}

export function RunRow({ run, repo = true }: { run: RunSummary; repo?: boolean }) {
  const status = statusOf(run);
  const workflow = workflowName(run);
  return (
    <li className="row run-row">
      <StatusFor it={run} word={false} />
      <div className="row-main">
        <Link
          to={`/runs/${run.id}`}
          data-nav
          className="row-title"
          aria-label={`${runTitle(run)}, ${workflow} number ${run.number}, ${status.label}`}
        >
          {runTitle(run)}
        </Link>
        <p className="row-sub">
          {repo && <span className="strong">{run.repository}</span>}
          <span>
            {workflow} <span className="number">#{run.number}</span>
            {run.attempt > 1 && ` attempt ${run.attempt}`}
          </span>
          <FaultTag fault={run.fault} />
          {run.waits && run.state !== "finished" && <span className="waits"><Said text={run.waits} /></span>}
        </p>
      </div>
      <p className="row-side run-ref">
        <RefMark run={run} />
        <span className="muted">
          {run.event}
          {run.actor && ` by ${run.actor}`}
        </span>
      </p>
      <p className="row-side run-time">
        <span className="tabular">
          <Took it={run} />
        </span>
        <span className="muted">
          <Ago at={run.created_at} />
        </span>
      </p>
    </li>
  );
}

interface Where {
  ref: string | null;
  sha: string | null;
  pull_request?: number | null;
}

export function RefMark({ run }: { run: Where }) {
  const ref = run.pull_request ? `PR #${run.pull_request}` : shortRef(run.ref);
  return (
    <span className="ref">
      {ref && (
        <span className="ref-name" title={run.ref ?? undefined}>
          <Icon name="branch" size={12} />
          {ref}
        </span>
      )}
      {shortSha(run.sha) && (
        <code className="sha" title={run.sha ?? undefined}>
          {shortSha(run.sha)}
        </code>
      )}
    </span>
  );
}
