// What a run looks like as a whole: graph, what was said about it, what it made, and why it stands as it does.
import { Suspense, lazy } from "react";
import { Link } from "react-router";
import { BASE } from "../../api/client.ts";
import type { Annotation, Artifact, Attempt, Job, RunDetail } from "../../api/types.ts";
import { size } from "../../lib/time.ts";
import { Icon } from "../../ui/Icon.tsx";
import { Ago } from "../../ui/Time.tsx";
import { Markdown } from "./Markdown.tsx";
import { RunSearch } from "./RunSearch.tsx";
import { Why } from "./Why.tsx";
import { Said } from "../../ui/Said.tsx";

const RunGraph = lazy(() => import("../../graph/RunGraph.tsx"));

export function latest(job: Job): Attempt | undefined {
  return job.attempts.at(-1);
}

export function Overview({ run }: { run: RunDetail }) {
  return (
    <div className="overview">
      {run.jobs.length > 0 && (
        <Suspense fallback={<div className="graph" style={{ height: 200 }} aria-hidden="true" />}>
          <RunGraph jobs={run.jobs} />
        </Suspense>
      )}
      <Diagnostics run={run} />
      <Annotations run={run} />
      <Denials run={run} />
      <Why run={run.id} job={null} open={run.state === "pending" || run.waits !== null || run.fault === "policy"} />
      <Artifacts artifacts={run.artifacts} />
      <Summaries run={run} />
      <RunSearch run={run} />
    </div>
  );
}

function Diagnostics({ run }: { run: RunDetail }) {
  if (run.diagnostics.length === 0) return null;
  return (
    <section className="panel" aria-labelledby="diagnostics">
      <header className="panel-head">
        <h2 id="diagnostics">Workflow file</h2>
        {run.workflow && <code>{run.workflow.path}</code>}
      </header>
      <ul className="notes">
        {run.diagnostics.map((one, index) => (
          <li key={index} className={`note kind-${one.severity}`}>
            <NoteMark kind={one.severity} />
            <p className="note-text"><Said text={one.message} /></p>
            {one.line !== null && (
              <span className="muted">
                line {one.line}
                {one.column !== null && `:${one.column}`}
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

const NOTE_WORDS: Record<string, string> = { error: "Error", warning: "Warning", notice: "Notice" };

function NoteMark({ kind }: { kind: string }) {
  return (
    <span className={`note-mark kind-${kind}`}>
      <Icon name={kind === "notice" ? "question" : "warning"} size={14} />
      {NOTE_WORDS[kind] ?? kind}
    </span>
  );
}

const SHOWN_ANNOTATIONS = 50;

function Annotations({ run }: { run: RunDetail }) {
  const all = run.jobs.flatMap((job) => (latest(job)?.annotations ?? []).map((note) => ({ job, note })));
  if (all.length === 0) return null;
  const order = ["error", "warning", "notice"];
  const sorted = [...all].sort((a, b) => order.indexOf(a.note.kind) - order.indexOf(b.note.kind));
  return (
    <section className="panel" aria-labelledby="annotations">
      <header className="panel-head">
        <h2 id="annotations">Annotations</h2>
        <span className="count">{all.length}</span>
      </header>
      <ul className="notes">
        {sorted.slice(0, SHOWN_ANNOTATIONS).map(({ job, note }, index) => (
          <Note key={index} job={job} note={note} />
        ))}
      </ul>
      {all.length > SHOWN_ANNOTATIONS && (
        <p className="muted padded">{all.length - SHOWN_ANNOTATIONS} more are in the logs of the jobs.</p>
      )}
    </section>
  );
}

function Note({ job, note }: { job: Job; note: Annotation }) {
  return (
    <li className={`note kind-${note.kind}`}>
      <NoteMark kind={note.kind} />
      <div className="note-text">
        {note.title && <p className="strong">{note.title}</p>}
        <p className="note-message">{note.message}</p>
        <p className="row-sub">
          <Link to={`/runs/${job.run}/jobs/${job.id}`}>{job.name}</Link>
          {note.file && (
            <code>
              {note.file}
              {note.line !== null && `:${note.line}`}
              {note.column !== null && `:${note.column}`}
            </code>
          )}
        </p>
      </div>
    </li>
  );
}

/** What jobs wanted to reach and were not let to. */
function Denials({ run }: { run: RunDetail }) {
  const all = run.jobs.flatMap((job) => (latest(job)?.denials ?? []).map((denial) => ({ job, denial })));
  if (all.length === 0) return null;
  return (
    <section className="panel" aria-labelledby="denials">
      <header className="panel-head">
        <h2 id="denials">Refused connections</h2>
        <span className="count">{all.length}</span>
      </header>
      <ul className="notes">
        {all.map(({ job, denial }, index) => (
          <li key={index} className="note">
            <span className="note-mark kind-warning">
              <Icon name="warning" size={14} />
              {denial.count} ×
            </span>
            <div className="note-text">
              <code>
                {denial.host}:{denial.port}
              </code>
              <p>
                <Said text={denial.reason} />
              </p>
              <p className="row-sub">
                <Link to={`/runs/${job.run}/jobs/${job.id}`}>{job.name}</Link>
                {denial.step && <span>{denial.step}</span>}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Artifacts({ artifacts }: { artifacts: Artifact[] }) {
  if (artifacts.length === 0) return null;
  return (
    <section className="panel" aria-labelledby="artifacts">
      <header className="panel-head">
        <h2 id="artifacts">Artifacts</h2>
        <span className="count">{artifacts.length}</span>
      </header>
      <ul className="rows flat">
        {artifacts.map((artifact) => (
          <li key={artifact.id} className="row artifact-row">
            <Icon name="box" />
            <div className="row-main">
              <p className="row-title">{artifact.name}</p>
              <p className="row-sub">
                <span>{artifact.files === 1 ? "1 file" : `${artifact.files} files`}</span>
                <span>{size(artifact.size_bytes)}</span>
                {artifact.expires_at && (
                  <span>
                    expires <Ago at={artifact.expires_at} />
                  </span>
                )}
              </p>
            </div>
            <div className="row-end buttons">
              {(["zip", "tar.zst"] as const).map((format) => (
                <a
                  key={format}
                  className="button small"
                  aria-label={`Download ${artifact.name} as ${format}`}
                  href={`${BASE}/artifacts/${artifact.id}/download?format=${format}`}
                  download
                >
                  <Icon name="download" size={12} /> {format}
                </a>
              ))}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Summaries({ run }: { run: RunDetail }) {
  const all = run.jobs.flatMap((job) => {
    const text = latest(job)?.summary;
    return text ? [{ job, text }] : [];
  });
  return all.map(({ job, text }) => (
    <section key={job.id} className="panel" aria-label={`Summary of ${job.name}`}>
      <header className="panel-head">
        <h2>{job.name}</h2>
        <span className="muted">summary</span>
      </header>
      <Markdown text={text} />
    </section>
  ));
}
