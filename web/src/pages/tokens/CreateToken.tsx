// The form of a new token, and its secret, which is shown this once.
import { type FormEvent, useState } from "react";
import { useMe } from "../../api/queries.ts";
import type { Role, Token } from "../../api/types.ts";
import { type MadeToken, createToken } from "../../api/writes.ts";
import { Copy } from "../../ui/Copy.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Field } from "../../ui/Fields.tsx";
import { ProblemBox } from "../../ui/Problem.tsx";
import { useWrite } from "../../ui/action.tsx";
import { KINDS, LIFETIMES, MADE, ROLES } from "./kinds.ts";

export function CreateToken({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<MadeToken | null>(null);
  return made ? <Secret made={made} onClose={onClose} /> : <Form onMade={setMade} onClose={onClose} />;
}

function Form({ onMade, onClose }: { onMade: (made: MadeToken) => void; onClose: () => void }) {
  const me = useMe();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Token["kind"]>("access");
  const [org, setOrg] = useState(me.data?.roles[0]?.org ?? "*");
  const [role, setRole] = useState<Role>("developer");
  const [repos, setRepos] = useState("");
  const [pool, setPool] = useState("");
  const [days, setDays] = useState("30");
  const [missing, setMissing] = useState(false);
  const create = useWrite(
    () =>
      createToken({
        name: name.trim(),
        kind,
        org: org.trim(),
        role: kind === "access" ? role : null,
        repos: kind === "access" && repos.trim() ? repos.split(/[\s,]+/).filter(Boolean) : null,
        pool: kind !== "access" && pool.trim() ? pool.trim() : null,
        expires_in_days: days ? Number(days) : null,
      }),
    { refresh: ["tokens"], then: onMade },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(!name.trim());
    if (name.trim()) create.mutate(undefined);
  };
  return (
    <Dialog title="New token" onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field label="Name" hint="What it is for; shown in the list and in the audit log." error={missing ? "A name is needed." : null}>
          {(ids) => <input {...ids} className="input" value={name} maxLength={100} autoFocus onChange={(e) => setName(e.target.value)} />}
        </Field>
        <Field label="Kind" hint={KINDS[kind].meaning}>
          {(ids) => (
            <select {...ids} className="input" value={kind} onChange={(e) => setKind(e.target.value as Token["kind"])}>
              {MADE.map((value) => (
                <option key={value} value={value}>
                  {KINDS[value].name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <div className="field-pair">
          <Field label="Org" hint="* is every org.">
            {(ids) => <input {...ids} className="input" value={org} onChange={(e) => setOrg(e.target.value)} />}
          </Field>
          {kind === "access" && (
            <Field label="Role" hint={ROLES.find((one) => one.role === role)?.meaning ?? null}>
              {(ids) => (
                <select {...ids} className="input" value={role} onChange={(e) => setRole(e.target.value as Role)}>
                  {ROLES.map((one) => (
                    <option key={one.role}>{one.role}</option>
                  ))}
                </select>
              )}
            </Field>
          )}
          <Field label="Expires">
            {(ids) => (
              <select {...ids} className="input" value={days} onChange={(e) => setDays(e.target.value)}>
                {LIFETIMES.map((one) => (
                  <option key={one.name} value={one.days ?? ""}>
                    {one.name}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
        {kind === "access" ? (
          <Field label="Only these repositories" hint="Names with spaces between them; empty is all of the org.">
            {(ids) => <input {...ids} className="input" value={repos} placeholder="owner/name" onChange={(e) => setRepos(e.target.value)} />}
          </Field>
        ) : (
          <Field label="Pool" hint="Of the runners that join with it; empty is the usual one.">
            {(ids) => <input {...ids} className="input" value={pool} onChange={(e) => setPool(e.target.value)} />}
          </Field>
        )}
        {create.isError && <ProblemBox error={create.error} />}
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className="button primary" disabled={create.isPending}>
            {create.isPending ? "Making…" : "Make token"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Secret({ made, onClose }: { made: MadeToken; onClose: () => void }) {
  return (
    <Dialog title={`Token ${made.name}`} onClose={onClose}>
      <p>
        <strong>Copy it now.</strong> The hub keeps only a digest of it; it cannot be shown again.
      </p>
      <div className="secret">
        <code data-secret>{made.secret}</code>
        <Copy text={made.secret} label="Copy the token" word="Copy" />
      </div>
      {made.kind !== "access" && (
        <>
          <p>Start a runner with it:</p>
          <pre>GANTRY_RUNNER_TOKEN=… gantry runner --hub {window.location.origin}</pre>
        </>
      )}
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          I have copied it
        </button>
      </div>
    </Dialog>
  );
}
