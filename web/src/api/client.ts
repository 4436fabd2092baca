// One call to the API: JSON in and out, the header that writes with a cookie need, problems as errors.
import { randomKey } from "../lib/id.ts";
import { problemOf, unreachable } from "./problem.ts";

export const BASE = "/api/v1";

export type Query = Record<string, string | number | boolean | null | undefined>;

/** `path` with the query's set values. */
export function url(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") params.set(key, String(value));
  }
  const text = params.toString();
  return `${BASE}${path}${text ? `?${text}` : ""}`;
}

interface Options {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  query?: Query;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

export async function call<T>(path: string, options: Options = {}): Promise<T> {
  const { method = "GET", query = {}, body, signal } = options;
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") {
    headers["x-gantry-csrf"] = "1";
    headers["idempotency-key"] = randomKey();
  }
  if (body !== undefined) headers["content-type"] = "application/json";
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  let answer: Response;
  try {
    answer = await fetch(url(path, query), init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable();
  }
  const text = await answer.text();
  let parsed: unknown = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    parsed = null;
  }
  if (!answer.ok) throw problemOf(answer.status, parsed, answer.headers.get("x-request-id"));
  return parsed as T;
}
