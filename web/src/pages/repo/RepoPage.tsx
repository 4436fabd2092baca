// One repository: its runs, and its workflows with the forms that start them.
import { NavLink, useParams } from "react-router";
import { useRepo, useWorkflows } from "../../api/queries.ts";
import type { Repo } from "../../api/types.ts";
import { setEnabled } from "../../api/writes.ts";
import { useWrite } from "../../ui/action.tsx";
import { PageHead } from "../../ui/Page.tsx";
import { ProblemBox } from "../../ui/Problem.tsx";
import { Sparkline } from "../../ui/Sparkline.tsx";
import { Runs } from "../runs/RunsPage.tsx";
import { Workflows } from "./Workflows.tsx";

export function RepoPage({ tab }: { tab: "runs" | "workflows" }) {
  const { owner = "", name = "" } = useParams();
  const full = `${owner}/${name}`;
  const repo = useRepo(full);
  const workflows = useWorkflows(full);
  const base = `/repos/${full}`;
  return (
    <>
      <PageHead
        title={full}
        trail={[["Fleet", "/"]]}
        heading={
          <>
            <span className="muted">{owner}/</span>
            {name}
          </>
        }
      >
        {repo.data && <Enabled repo={repo.data} />}
      </PageHead>
      {repo.isError ? <ProblemBox error={repo.error} retry={() => void repo.refetch()} /> : <Facts repo={repo.data} />}
      <nav className="tabs" aria-label="Of this repository">
        <NavLink to={base} end>
          Runs
        </NavLink>
        <NavLink to={`${base}/workflows`}>
          Workflows{workflows.data && <span className="count">{workflows.data.length}</span>}
        </NavLink>
      </nav>
      {tab === "runs" ? (
        <Runs repo={full} workflows={(workflows.data ?? []).map((one) => [one.path, one.name] as const)} />
      ) : (
        <Workflows repo={full} branch={repo.data?.default_branch ?? null} />
      )}
    </>
  );
}

function Facts({ repo }: { repo: Repo | undefined }) {
  if (!repo) return <div className="facts" aria-hidden="true" />;
  return (
    <div className="facts">
      <dl>
        <div>
          <dt>Source</dt>
          <dd className="cut" title={repo.source.url}>
            {repo.source.url}
          </dd>
        </div>
        {repo.default_branch && (
          <div>
            <dt>Default branch</dt>
            <dd>{repo.default_branch}</dd>
          </div>
        )}
        {repo.team && (
          <div>
            <dt>Team</dt>
            <dd>{repo.team}</dd>
          </div>
        )}
        <div>
          <dt>Registered by</dt>
          <dd>{repo.registered_by === "file" ? "the hub file" : "the API"}</dd>
        </div>
        {repo.depends_on.length > 0 && (
          <div>
            <dt>Depends on</dt>
            <dd>{repo.depends_on.join(", ")}</dd>
          </div>
        )}
        {!repo.enabled && (
          <div>
            <dt>Disabled</dt>
            <dd>{repo.disabled_reason ?? "no reason given"}</dd>
          </div>
        )}
      </dl>
      <Sparkline recent={repo.recent} />
    </div>
  );
}

function Enabled({ repo }: { repo: Repo }) {
  const write = useWrite((enabled: boolean) => setEnabled(repo.name, enabled), {
    refresh: ["repos"],
    done: repo.enabled ? `${repo.name} is disabled: its events lead to no runs` : `${repo.name} is enabled`,
  });
  return (
    <button type="button" className="button" disabled={write.isPending} onClick={() => write.mutate(!repo.enabled)}>
      {repo.enabled ? "Disable" : "Enable"}
    </button>
  );
}
