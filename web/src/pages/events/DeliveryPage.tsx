// One delivery: what came, what was decided and why, the payload, and replaying it.
import type { ReactNode } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useDelivery, useRuns } from "../../api/queries.ts";
import type { DeliveryDetail } from "../../api/types.ts";
import { replay } from "../../api/writes.ts";
import { Copy } from "../../ui/Copy.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { PageHead } from "../../ui/Page.tsx";
import { ProblemBox, SkeletonRows } from "../../ui/Problem.tsx";
import { RefMark, RunRow } from "../../ui/RunRow.tsx";
import { StatusMark } from "../../ui/StatusMark.tsx";
import { Ago } from "../../ui/Time.tsx";
import { useWrite } from "../../ui/action.tsx";
import { deliveryStatus, kindOf } from "./words.ts";
import { Said } from "../../ui/Said.tsx";

export function DeliveryPage() {
  const { event = "" } = useParams();
  const delivery = useDelivery(event);
  const data = delivery.data;
  return (
    <>
      <PageHead title={data ? (data.title ?? kindOf(data)) : "Event"} trail={[["Events", "/events"]]}>
        <Replay event={event} />
      </PageHead>
      {delivery.isError && <ProblemBox error={delivery.error} retry={() => void delivery.refetch()} />}
      {delivery.isPending && <SkeletonRows rows={6} />}
      {data && <Shown delivery={data} />}
    </>
  );
}

function Replay({ event }: { event: string }) {
  const navigate = useNavigate();
  const write = useWrite(() => replay(event), {
    refresh: ["events"],
    done: "Replayed: this is the new event",
    then: (answer) => void navigate(`/events/${answer.event}`),
  });
  return (
    <button type="button" className="button" disabled={write.isPending} onClick={() => write.mutate(undefined)}>
      <Icon name="again" size={14} /> {write.isPending ? "Replaying…" : "Replay"}
    </button>
  );
}

function Shown({ delivery }: { delivery: DeliveryDetail }) {
  const status = deliveryStatus(delivery);
  const payload = typeof delivery.payload === "string" ? delivery.payload : JSON.stringify(delivery.payload, null, 2);
  return (
    <div className="delivery">
      <section className={`verdict tone-${status.tone}`} aria-label="Decision">
        <StatusMark status={status} />
        <p><Said text={delivery.reason ?? (delivery.outcome ? "" : "The hub has stored it and decides next.")} /></p>
      </section>
      {delivery.runs.length > 0 && <Runs event={delivery.id} />}
      <dl className="facts-grid">
        <Fact name="Source">
          {delivery.source}
          {delivery.connection && delivery.connection !== delivery.source && ` (${delivery.connection})`}
        </Fact>
        <Fact name="Event">{kindOf(delivery)}</Fact>
        <Fact name="Repository">
          {delivery.repository ? <Link to={`/repos/${delivery.repository}`}>{delivery.repository}</Link> : "–"}
        </Fact>
        <Fact name="Ref">
          <RefMark run={{ ref: delivery.ref, sha: delivery.sha }} />
        </Fact>
        <Fact name="Actor">{delivery.actor ?? "–"}</Fact>
        <Fact name="Received">
          <Ago at={delivery.received_at} />
        </Fact>
        <Fact name="Decided">
          <Ago at={delivery.decided_at} />
        </Fact>
        <Fact name="Delivery id">{delivery.delivery ? <code>{delivery.delivery}</code> : "–"}</Fact>
        {delivery.replay_of && (
          <Fact name="Replay of">
            <Link to={`/events/${delivery.replay_of}`}>{delivery.replay_of}</Link>
          </Fact>
        )}
      </dl>
      {delivery.headers && Object.keys(delivery.headers).length > 0 && (
        <details className="panel">
          <summary>Headers</summary>
          <dl className="headers">
            {Object.entries(delivery.headers).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      <section className="panel" aria-labelledby="payload">
        <header className="panel-head">
          <h2 id="payload">Payload</h2>
          {payload && <Copy text={payload} label="Copy the payload" />}
        </header>
        {payload ? (
          <pre className="payload" tabIndex={0} aria-labelledby="payload">
            {payload}
          </pre>
        ) : (
          <p className="muted padded">It has none.</p>
        )}
      </section>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Runs({ event }: { event: string }) {
  const runs = useRuns({ event_id: event });
  return (
    <ul className="rows list" aria-label="Runs of this event">
      {runs.items?.map((run) => (
        <RunRow key={run.id} run={run} />
      ))}
    </ul>
  );
}
