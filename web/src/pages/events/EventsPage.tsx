// The delivery log: everything that came in, and what was decided about it.
import { Link } from "react-router";
import { useDeliveries } from "../../api/queries.ts";
import type { Delivery } from "../../api/types.ts";
import { anySet, useFilters } from "../../lib/filters.ts";
import { SearchField, SelectField } from "../../ui/Fields.tsx";
import { List, PageHead } from "../../ui/Page.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { RefMark } from "../../ui/RunRow.tsx";
import { StatusMark } from "../../ui/StatusMark.tsx";
import { Ago } from "../../ui/Time.tsx";
import { OUTCOMES, SOURCES, deliveryStatus, kindOf } from "./words.ts";
import { Said } from "../../ui/Said.tsx";

const NAMES = ["q", "source", "outcome", "repo"] as const;

export function EventsPage() {
  const [filters, set, clear] = useFilters(NAMES);
  const list = useDeliveries(filters);
  return (
    <>
      <PageHead title="Events" />
      <div className="toolbar">
        <SearchField label="Search events" value={filters["q"] ?? ""} onChange={(value) => set("q", value)} />
        <SearchField
          label="Repository (owner/name)"
          primary={false}
          value={filters["repo"] ?? ""}
          onChange={(value) => set("repo", value)}
        />
        <SelectField
          label="Source"
          all="Any source"
          value={filters["source"] ?? ""}
          choices={SOURCES.map((source) => [source, source] as const)}
          onChange={(value) => set("source", value)}
        />
        <SelectField
          label="Outcome"
          all="Any outcome"
          value={filters["outcome"] ?? ""}
          choices={Object.entries(OUTCOMES).map(([outcome, status]) => [outcome, status.label] as const)}
          onChange={(value) => set("outcome", value)}
        />
        {anySet(filters) && (
          <button type="button" className="button quiet" onClick={clear}>
            Clear
          </button>
        )}
      </div>
      <List
        list={list}
        label="Events"
        rowHeight={57}
        row={(delivery) => <Row key={delivery.id} delivery={delivery} />}
        empty={
          anySet(filters) ? (
            <Empty title="No event matches.">
              <button type="button" className="button" onClick={clear}>
                Clear the filters
              </button>
            </Empty>
          ) : (
            <Empty title="No event has come in.">
              <p>
                Point a forge's webhook at <code>{window.location.origin}/api/v1/hooks/…</code>, let the hub poll a plain Git
                server, or start a workflow by hand on its repository's page.
              </p>
            </Empty>
          )
        }
      />
    </>
  );
}

function Row({ delivery }: { delivery: Delivery }) {
  const status = deliveryStatus(delivery);
  return (
    <li className="row event-row">
      <StatusMark status={status} word={false} />
      <div className="row-main">
        <Link to={`/events/${delivery.id}`} data-nav className="row-title">
          {delivery.title ?? kindOf(delivery)}
        </Link>
        <p className="row-sub">
          <span className="strong">{delivery.repository || "no repository"}</span>
          <span>{kindOf(delivery)}</span>
          {delivery.actor && <span>by {delivery.actor}</span>}
        </p>
      </div>
      <p className="row-side event-outcome">
        <span>
          {status.label}
          {delivery.outcome === "runs" && ` (${delivery.runs.length})`}
        </span>
        {delivery.reason && (
          <span className="muted cut" title={delivery.reason}>
            <Said text={delivery.reason} />
          </span>
        )}
      </p>
      <p className="row-side event-ref">
        <RefMark run={{ ref: delivery.ref, sha: delivery.sha }} />
      </p>
      <p className="row-side row-end">
        <span className="tag">{delivery.source}</span>
        <span className="muted">
          <Ago at={delivery.received_at} />
        </span>
      </p>
    </li>
  );
}
