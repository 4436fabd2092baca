// One repository in the fleet.
import { Link } from "react-router";
import type { Repo } from "../../api/types.ts";
import { ShapeIcon } from "../../ui/Icon.tsx";
import { runTitle, workflowName } from "../../ui/RunRow.tsx";
import { Sparkline } from "../../ui/Sparkline.tsx";
import { FaultTag, StatusFor } from "../../ui/StatusMark.tsx";
import { Ago } from "../../ui/Time.tsx";

export function RepoRow({ repo }: { repo: Repo }) {
  const [org, ...rest] = repo.name.split("/");
  const last = repo.last_run;
  return (
    <li className={repo.enabled ? "row repo-row" : "row repo-row off"}>
      {last ? <StatusFor it={last} word={false} /> : <NeverRan />}
      <div className="row-main">
        <Link to={`/repos/${repo.name}`} data-nav className="row-title">
          <span className="muted">{org}/</span>
          {rest.join("/")}
        </Link>
        <p className="row-sub">
          {!repo.enabled && <span className="tag tone-idle">disabled{repo.disabled_reason && `: ${repo.disabled_reason}`}</span>}
          {repo.team && <span>{repo.team}</span>}
          {repo.default_branch && <span>{repo.default_branch}</span>}
          {repo.depends_on.length > 0 && <span title={repo.depends_on.join(", ")}>after {repo.depends_on.length} upstream</span>}
        </p>
      </div>
      <div className="row-side repo-last">
        {last ? (
          <>
            <Link to={`/runs/${last.id}`} className="quiet-link">
              {runTitle(last)}
            </Link>
            <p className="row-sub">
              <span>
                {workflowName(last)} <span className="number">#{last.number}</span>
              </span>
              <FaultTag fault={last.fault} />
              <Ago at={last.created_at} />
            </p>
          </>
        ) : (
          <span className="muted">no run yet</span>
        )}
      </div>
      <div className="row-side repo-spark">
        <Sparkline recent={repo.recent} />
      </div>
      <p className="row-side repo-open">
        {repo.open_runs > 0 ? (
          <Link to={`/repos/${repo.name}`} className="tag tone-busy">
            <ShapeIcon shape="spinner" size={12} />
            {repo.open_runs} open
          </Link>
        ) : (
          <span className="sr-only">no open runs</span>
        )}
      </p>
    </li>
  );
}

function NeverRan() {
  return (
    <span className="status tone-idle" title="Never ran">
      <ShapeIcon shape="waiting" />
      <span className="sr-only">Never ran</span>
    </span>
  );
}
