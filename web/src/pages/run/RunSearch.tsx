// Search in the logs of all jobs of a run.
import { useCallback, useState } from "react";
import { Link } from "react-router";
import { useLogSearch } from "../../api/queries.ts";
import type { RunDetail } from "../../api/types.ts";
import { LogText } from "../../log/LogText.tsx";
import { SearchField } from "../../ui/Fields.tsx";
import { ProblemBox } from "../../ui/Problem.tsx";

export function RunSearch({ run }: { run: RunDetail }) {
  const [q, setQ] = useState("");
  const set = useCallback((value: string) => setQ(value), []);
  const search = useLogSearch(run.id, q);
  const hits = search.data?.hits ?? [];
  const names = new Map(run.jobs.map((job) => [job.id, job.name]));
  return (
    <section className="panel" aria-labelledby="search-logs">
      <header className="panel-head">
        <h2 id="search-logs">Logs</h2>
        <SearchField label="Search the logs of all jobs" value={q} onChange={set} />
        <span className="muted" role="status">
          {q && search.data ? (hits.length === 0 ? "no hit" : `${hits.length}${search.data.truncated ? "+" : ""} hits`) : ""}
        </span>
      </header>
      {q && search.isError && <ProblemBox error={search.error} retry={() => void search.refetch()} />}
      {q && hits.length > 0 && (
        <ul className="hits" aria-label="Hits">
          {hits.map((hit, index) => (
            <li key={index}>
              <Link to={`/runs/${run.id}/jobs/${hit.job}?attempt=${hit.attempt}#L${hit.line_number}`} data-nav>
                <span className="muted">
                  {names.get(hit.job) ?? hit.job}:{hit.line_number}
                </span>
                <code>
                  <LogText text={hit.text} find={q} />
                </code>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
