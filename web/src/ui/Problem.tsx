// What went wrong and what to do next.
import type { ReactNode } from "react";
import { asProblem } from "../api/problem.ts";
import { Icon } from "./Icon.tsx";
import { Said } from "./Said.tsx";

export function ProblemBox({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = asProblem(error);
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <div>
        <p className="problem-title"><Said text={problem.message} /></p>
        {problem.detail && <p><Said text={problem.detail} /></p>}
        {problem.hint && <p className="problem-hint"><Said text={problem.hint} /></p>}
        <p className="problem-meta">
          <code>{problem.code}</code>
          {problem.requestId && (
            <>
              {" "}
              request <code>{problem.requestId}</code>
            </>
          )}
        </p>
        {retry && (
          <button type="button" className="button small" onClick={retry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Rows in the size of what will come. */
export function SkeletonRows({ rows, height = 44 }: { rows: number; height?: number }) {
  return (
    <div className="skeleton" aria-hidden="true">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="skeleton-row" style={{ height }}>
          <span style={{ width: `${30 + ((index * 37) % 40)}%` }} />
        </div>
      ))}
    </div>
  );
}
