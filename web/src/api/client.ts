// The client that is generated from the API's document: paths, parameters and answers are checked by the compiler. Here
// are the headers that writes with a cookie need, and problems as errors.
import createClient from "openapi-fetch";
import { randomKey } from "../lib/id.ts";
import { Problem, problemOf, unreachable } from "./problem.ts";
import type { paths } from "./schema.d.ts";

export const BASE = "/api/v1";

export const api = createClient<paths>({ credentials: "same-origin" });

api.use({
  onRequest({ request }) {
    if (request.method === "GET") return;
    request.headers.set("x-gantry-csrf", "1");
    request.headers.set("idempotency-key", randomKey());
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === "AbortError" ? error : unreachable();
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body; a refusal is thrown as a `Problem`. */
export async function take<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked.catch((thrown: unknown) => {
    // An answer that claims to be JSON and is not.
    throw thrown instanceof SyntaxError ? new Problem({ code: "page", status: 502, title: "The hub's answer is broken" }) : thrown;
  });
  if (!response.ok) throw problemOf(response.status, error, response.headers.get("x-request-id"));
  return data as T;
}

/** The filters that are set. */
export function filled<T extends object>(query: Record<string, string | number | null | undefined>): T {
  const set = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return Object.fromEntries(set) as T;
}

/** An address for what is not fetched as JSON: streams, downloads. */
export function url(path: string, query: Record<string, string | number | null | undefined> = {}): string {
  const params = new URLSearchParams(Object.entries(filled<Record<string, string>>(query)).map(([k, v]) => [k, String(v)]));
  const text = params.toString();
  return `${BASE}${path}${text ? `?${text}` : ""}`;
}
