// What the pages change: one function per write.
import { api, take } from "./client.ts";
import { parts } from "./queries.ts";
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];

export const signIn = (token: string) => take(api.POST("/api/v1/session", { body: { token } }));
export const signOut = () => take(api.DELETE("/api/v1/session"));

export const setEnabled = (repo: string, enabled: boolean) =>
  take(
    api.PATCH("/api/v1/repos/{owner}/{name}", { params: { path: parts(repo) }, body: { enabled, disabled_reason: null } }),
  );

export type Dispatch = Omit<Schemas["DispatchRequest"], "event">;
export const dispatch = (repo: string, what: Dispatch) =>
  take(
    api.POST("/api/v1/repos/{owner}/{name}/dispatch", { params: { path: parts(repo) }, body: { ...what, event: null } }),
  );

export const cancelRun = (run: string, force: boolean) =>
  take(api.POST("/api/v1/runs/{run}/cancel", { params: { path: { run } }, body: { reason: null, force } }));
export const approveRun = (run: string) =>
  take(api.POST("/api/v1/runs/{run}/approve", { params: { path: { run } }, body: { comment: null } }));
export const cancelJob = (job: string) =>
  take(api.POST("/api/v1/jobs/{job}/cancel", { params: { path: { job } }, body: { reason: null, force: false } }));

export const rerun = (run: string, body: Schemas["RerunRequest"]) =>
  take(api.POST("/api/v1/runs/{run}/rerun", { params: { path: { run } }, body }));

export const replay = (event: string) => take(api.POST("/api/v1/events/{event}/replay", { params: { path: { event } } }));

export const drain = (runner: string) => take(api.POST("/api/v1/runners/{runner}/drain", { params: { path: { runner } } }));
export const resume = (runner: string) => take(api.POST("/api/v1/runners/{runner}/resume", { params: { path: { runner } } }));
export const removeRunner = (runner: string) => take(api.DELETE("/api/v1/runners/{runner}", { params: { path: { runner } } }));

export type MadeToken = Schemas["NewToken"];
export const createToken = (body: Schemas["NewTokenRequest"]) => take(api.POST("/api/v1/tokens", { body }));
export const revokeToken = (token: string) => take(api.DELETE("/api/v1/tokens/{token}", { params: { path: { token } } }));
