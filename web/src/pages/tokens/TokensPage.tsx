// Tokens of people, scripts and runners: made, shown once, revoked.
import { useState } from "react";
import { useTokens } from "../../api/queries.ts";
import type { Token } from "../../api/types.ts";
import { revokeToken } from "../../api/writes.ts";
import { millis } from "../../lib/time.ts";
import { Confirm } from "../../ui/Confirm.tsx";
import { List, PageHead } from "../../ui/Page.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { StatusMark } from "../../ui/StatusMark.tsx";
import { Ago, useNow } from "../../ui/Time.tsx";
import { useWrite } from "../../ui/action.tsx";
import type { Status } from "../../ui/status.ts";
import { CreateToken } from "./CreateToken.tsx";
import { KINDS } from "./kinds.ts";

export function TokensPage() {
  const list = useTokens();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <PageHead title="Tokens">
        <button type="button" className="button primary" onClick={() => setCreating(true)}>
          New token
        </button>
      </PageHead>
      <List
        list={list}
        label="Tokens"
        rowHeight={57}
        row={(token) => <Row key={token.id} token={token} />}
        empty={
          <Empty title="No token has been made.">
            <p>Make one for a script, for a colleague, or for a runner that is to join.</p>
          </Empty>
        }
      />
      {creating && <CreateToken onClose={() => setCreating(false)} />}
    </>
  );
}

function stateOf(token: Token, now: number): Status {
  if (token.revoked_at) return { label: "Revoked", tone: "idle", shape: "slash" };
  const end = millis(token.expires_at);
  if (end !== null && end <= now) return { label: "Expired", tone: "idle", shape: "clock" };
  if (end !== null && end - now < 7 * 86_400_000) return { label: "Expires soon", tone: "warn", shape: "clock" };
  return { label: "Valid", tone: "good", shape: "check" };
}

function Row({ token }: { token: Token }) {
  const state = stateOf(token, useNow());
  const over = state.label === "Revoked" || state.label === "Expired";
  return (
    <li className={over ? "row token-row off" : "row token-row"}>
      <StatusMark status={state} word={false} />
      <div className="row-main">
        <p className="row-title" tabIndex={0} data-nav>
          {token.name}
        </p>
        <p className="row-sub">
          <span>{KINDS[token.kind]?.name ?? token.kind}</span>
          {token.created_by && <span>by {token.created_by}</span>}
        </p>
      </div>
      <p className="row-side token-scope">
        <span>
          {token.org === "*" ? "every org" : token.org}
          {token.kind !== "runner-pool" && token.kind !== "runner-once" && token.role && `, ${token.role}`}
        </span>
        <span className="muted cut" title={token.repos?.join(", ")}>
          {token.pool ? `pool ${token.pool}` : token.repos ? token.repos.join(", ") : "all its repositories"}
        </span>
      </p>
      <p className="row-side">
        <span>{state.label}</span>
        <span className="muted">
          {token.revoked_at ? <Ago at={token.revoked_at} /> : token.expires_at ? <Ago at={token.expires_at} /> : "never expires"}
        </span>
      </p>
      <p className="row-side">
        <span className="muted">last used</span>
        {token.last_used_at ? <Ago at={token.last_used_at} /> : <span>never</span>}
      </p>
      <div className="row-end">{!over && <Revoke token={token} />}</div>
    </li>
  );
}

function Revoke({ token }: { token: Token }) {
  const [asking, setAsking] = useState(false);
  const revoke = useWrite(() => revokeToken(token.id), {
    refresh: ["tokens"],
    done: `${token.name} is revoked`,
    then: () => setAsking(false),
  });
  return (
    <>
      <button type="button" className="button small danger" aria-label={`Revoke ${token.name}`} onClick={() => setAsking(true)}>
        Revoke
      </button>
      {asking && (
        <Confirm
          title={`Revoke ${token.name}?`}
          action="Revoke token"
          busy={revoke.isPending}
          onConfirm={() => revoke.mutate(undefined)}
          onClose={() => setAsking(false)}
        >
          <p>Whatever uses it is refused from its next request on. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}
