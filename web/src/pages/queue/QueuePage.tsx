// What waits and what runs, first queued first, with the reason of every hold.
import { Link } from "react-router";
import { useQueue } from "../../api/queries.ts";
import type { QueueItem } from "../../api/types.ts";
import { anySet, useFilters } from "../../lib/filters.ts";
import { SearchField } from "../../ui/Fields.tsx";
import { List, PageHead } from "../../ui/Page.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { StatusFor } from "../../ui/StatusMark.tsx";
import { Ago } from "../../ui/Time.tsx";
import { Said } from "../../ui/Said.tsx";

export function QueuePage() {
  const [filters, set, clear] = useFilters(["repo", "org"]);
  const list = useQueue(filters);
  const items = list.items ?? [];
  const queued = items.filter((item) => item.state === "queued").length;
  return (
    <>
      <PageHead title="Queue" />
      <div className="toolbar">
        <SearchField label="Repository (owner/name)" value={filters["repo"] ?? ""} onChange={(value) => set("repo", value)} />
        <p className="summary" role="status">
          {list.items ? `${queued} queued, ${items.length - queued} running` : "…"}
        </p>
      </div>
      <List
        list={list}
        label="Jobs in the queue"
        rowHeight={57}
        row={(item) => <Row key={item.job} item={item} />}
        empty={
          anySet(filters) ? (
            <Empty title="Nothing of this repository is queued or running.">
              <button type="button" className="button" onClick={clear}>
                Show the whole queue
              </button>
            </Empty>
          ) : (
            <Empty title="Nothing is queued and nothing runs.">
              <p>
                If a run was expected, look at <Link to="/events">Events</Link>: each says what it led to, and why.
              </p>
            </Empty>
          )
        }
      />
    </>
  );
}

function Row({ item }: { item: QueueItem }) {
  return (
    <li className="row queue-row">
      <span className="position tabular" title="Position in the queue">
        {item.state === "queued" && item.position !== null ? item.position : ""}
      </span>
      <StatusFor it={{ state: item.state, outcome: null }} word={false} />
      <div className="row-main">
        <Link to={`/runs/${item.run}/jobs/${item.job}`} data-nav className="row-title">
          {item.name}
        </Link>
        <p className="row-sub">
          <span className="strong">{item.repository}</span>
          {item.workflow && <span>{item.workflow}</span>}
        </p>
      </div>
      <p className="row-side queue-hold">
        {item.state === "running" ? (
          <span>
            on <span className="strong">{item.runner?.name ?? "a runner"}</span>
          </span>
        ) : (
          <span className={item.hold ? "waits" : "muted"}><Said text={item.hold ?? "next free runner with these labels"} /></span>
        )}
      </p>
      <p className="row-side tags">
        {item.labels.map((label) => (
          <span key={label} className="tag">
            {label}
          </span>
        ))}
      </p>
      <p className="row-side row-end">
        <span className="muted">queued </span>
        <Ago at={item.queued_at} />
      </p>
    </li>
  );
}
