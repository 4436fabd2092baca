// The workflow files of a repository, and how each can be started.
import { useState } from "react";
import { Link } from "react-router";
import { useWorkflows } from "../../api/queries.ts";
import type { Workflow } from "../../api/types.ts";
import { Icon } from "../../ui/Icon.tsx";
import { Empty, ProblemBox, SkeletonRows } from "../../ui/Problem.tsx";
import { DispatchDialog } from "./DispatchDialog.tsx";

export function Workflows({ repo, branch }: { repo: string; branch: string | null }) {
  const workflows = useWorkflows(repo);
  const [starting, setStarting] = useState<Workflow | null>(null);
  if (workflows.isPending) return <SkeletonRows rows={4} height={57} />;
  if (workflows.isError) return <ProblemBox error={workflows.error} retry={() => void workflows.refetch()} />;
  if (workflows.data.length === 0) {
    return (
      <Empty title="No workflow file.">
        <p>
          Put one into <code>.github/workflows/</code> on the default branch. It is read as it is on GitHub.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <ul className="rows list" aria-label="Workflows">
        {workflows.data.map((workflow) => (
          <li key={workflow.path} className="row workflow-row">
            <div className="row-main">
              <Link to={`/repos/${repo}?workflow=${encodeURIComponent(workflow.path)}`} data-nav className="row-title">
                {workflow.name}
              </Link>
              <p className="row-sub">
                <code>{workflow.path}</code>
              </p>
            </div>
            <p className="row-side tags">
              {workflow.triggers.map((trigger) => (
                <span key={trigger} className="tag">
                  {trigger}
                </span>
              ))}
            </p>
            <div className="row-end">
              {workflow.dispatch ? (
                <button
                  type="button"
                  className="button"
                  aria-label={`Run ${workflow.name}`}
                  onClick={() => setStarting(workflow)}
                >
                  <Icon name="play" size={12} /> Run
                </button>
              ) : (
                <span className="muted" title="It has no workflow_dispatch trigger.">
                  not by hand
                </span>
              )}
            </div>
          </li>
        ))}
      </ul>
      {starting && <DispatchDialog repo={repo} branch={branch} workflow={starting} onClose={() => setStarting(null)} />}
    </>
  );
}
