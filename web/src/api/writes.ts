// What the pages change: one function per write.
import { call } from "./client.ts";
import { repoPath } from "./queries.ts";
import type { Repo, Role, RunSummary, Token } from "./types.ts";

const post = <T>(path: string, body?: unknown) => call<T>(path, { method: "POST", ...(body === undefined ? {} : { body }) });

export const signIn = (token: string) => post<unknown>("/session", { token });
export const signOut = () => call<unknown>("/session", { method: "DELETE" });

export const setEnabled = (repo: string, enabled: boolean) =>
  call<Repo>(repoPath(repo), { method: "PATCH", body: { enabled } });

export interface Dispatch {
  workflow: string;
  ref?: string;
  inputs: Record<string, string>;
}
export const dispatch = (repo: string, what: Dispatch) => post<{ event: string }>(`${repoPath(repo)}/dispatch`, what);

export const cancelRun = (run: string, force: boolean) => post<RunSummary>(`/runs/${run}/cancel`, { force });
export const approveRun = (run: string) => post<RunSummary>(`/runs/${run}/approve`, {});
export const cancelJob = (job: string) => post<unknown>(`/jobs/${job}/cancel`, {});

export interface Rerun {
  jobs: "all" | "failed" | string[];
  configuration: "same" | "latest";
}
export const rerun = (run: string, what: Rerun) => post<RunSummary>(`/runs/${run}/rerun`, what);

export const replay = (event: string) => post<{ event: string }>(`/events/${event}/replay`);

export const drain = (runner: string) => post<unknown>(`/runners/${runner}/drain`);
export const resume = (runner: string) => post<unknown>(`/runners/${runner}/resume`);
export const removeRunner = (runner: string) => call<unknown>(`/runners/${runner}`, { method: "DELETE" });

export interface NewToken {
  name: string;
  kind: Token["kind"];
  org: string;
  role?: Role;
  repos?: string[];
  pool?: string;
  expires_in_days?: number;
}
export type MadeToken = Token & { secret: string };
export const createToken = (token: NewToken) => post<MadeToken>("/tokens", token);
export const revokeToken = (token: string) => call<unknown>(`/tokens/${token}`, { method: "DELETE" });
