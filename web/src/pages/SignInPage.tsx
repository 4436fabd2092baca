// Signing in: a token is exchanged for a session cookie.
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { Brand } from "../app/Layout.tsx";
import { type Problem, asProblem } from "../api/problem.ts";
import { signIn } from "../api/writes.ts";
import { useTitle } from "../lib/title.ts";
import { Field } from "../ui/Fields.tsx";

export function SignInPage() {
  useTitle("Sign in");
  const client = useQueryClient();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!token.trim()) return;
    setBusy(true);
    setProblem(null);
    try {
      await signIn(token.trim());
      client.clear();
      const next = params.get("next") ?? "/";
      void navigate(/^\/(?![/\\])/.test(next) ? next : "/", { replace: true });
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <h1>
          <Brand />
          Sign in to Gantry
        </h1>
        <form onSubmit={(event) => void submit(event)}>
          <Field label="Access token" error={problem && [problem.message, problem.hint].filter(Boolean).join(". ")}>
            {(ids) => (
              <input
                {...ids}
                type="password"
                className="input mono"
                value={token}
                onChange={(event) => setToken(event.target.value)}
                placeholder="gantry_…"
                autoComplete="current-password"
                spellCheck={false}
                autoFocus
                required
              />
            )}
          </Field>
          {problem?.requestId && (
            <p className="problem-meta">
              request <code>{problem.requestId}</code>
            </p>
          )}
          <button type="submit" className="button primary wide" disabled={busy}>
            {busy ? "Signing in…" : "Sign in"}
          </button>
        </form>
        <section className="sign-in-help" aria-label="Where a token comes from">
          <h2>No token yet?</h2>
          <ul>
            <li>
              The first start of a hub writes one to the file <code>bootstrap-token</code> of its data directory.
            </li>
            <li>
              Somebody who is signed in makes one on the <strong>Tokens</strong> page, or with{" "}
              <code>gantry tokens create</code>.
            </li>
          </ul>
        </section>
      </div>
    </main>
  );
}
