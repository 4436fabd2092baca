// What the pages read: one hook per resource. Keys begin with the resource's name; `live/apply.ts` relies on them.
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { api, filled, take } from "./client.ts";
import type { paths } from "./schema.d.ts";
import type { Delivery, Job, Page, QueueItem, Repo, RunDetail, RunSummary, Runner, Token } from "./types.ts";

/** Changes come by the stream; behind it there is a slow look, since a stream may be cut off by what lies between. */
const SLOW_POLL_MS = 15_000;
/** An event is decided in a moment. */
const POLL_MS = 2_000;
/** Items of a page where lists are short. */
const MOST = 200;
const USUAL = 50;

/** Filters of a list; what is empty is not asked for. */
type Filters = Record<string, string | undefined>;

interface Paging {
  limit: number;
  cursor?: string;
}

/** The filters of a list, as the API's document names them. */
type FiltersOf<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } }
  ? Omit<NonNullable<Q>, "cursor" | "limit">
  : never;

/** A list of the API, page by page. */
function usePages<T>(
  resource: string,
  filters: Filters,
  limit: number,
  ask: (paging: Paging, signal: AbortSignal) => Promise<Page<object>>,
) {
  const list = useInfiniteQuery({
    queryKey: [resource, "list", filters],
    // The document inlines the items of a page and loses which of their fields are always there.
    queryFn: ({ pageParam, signal }) =>
      ask({ limit, ...(pageParam === null ? {} : { cursor: pageParam }) }, signal) as Promise<Page<T>>,
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
    refetchInterval: resource === "runners" || resource === "queue" ? SLOW_POLL_MS : false,
  });
  const items = list.data?.pages.flatMap((page) => page.items);
  return { ...list, items };
}

export const useRepos = (filters: Filters) =>
  usePages<Repo>("repos", filters, MOST, (paging, signal) =>
    take(api.GET("/api/v1/repos", { params: { query: { ...filled<FiltersOf<"/api/v1/repos">>(filters), ...paging } }, signal })),
  );

export const useRuns = (filters: Filters) =>
  usePages<RunSummary>("runs", filters, USUAL, (paging, signal) =>
    take(api.GET("/api/v1/runs", { params: { query: { ...filled<FiltersOf<"/api/v1/runs">>(filters), ...paging } }, signal })),
  );

export const useQueue = (filters: Filters) =>
  usePages<QueueItem>("queue", filters, MOST, (paging, signal) =>
    take(api.GET("/api/v1/queue", { params: { query: { ...filled<FiltersOf<"/api/v1/queue">>(filters), ...paging } }, signal })),
  );

export const useRunners = (filters: Filters) =>
  usePages<Runner>("runners", filters, MOST, (paging, signal) =>
    take(api.GET("/api/v1/runners", { params: { query: { ...filled<FiltersOf<"/api/v1/runners">>(filters), ...paging } }, signal })),
  );

export const useDeliveries = (filters: Filters) =>
  usePages<Delivery>("events", filters, USUAL, (paging, signal) =>
    take(api.GET("/api/v1/events", { params: { query: { ...filled<FiltersOf<"/api/v1/events">>(filters), ...paging } }, signal })),
  );

export const useTokens = () =>
  usePages<Token>("tokens", {}, MOST, (paging, signal) => take(api.GET("/api/v1/tokens", { params: { query: paging }, signal })));

export const useMe = () =>
  useQuery({
    queryKey: ["me"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/me", { signal })),
    staleTime: 300_000,
    retry: false,
  });

/** `owner/name` as the parts of a path. */
export function parts(repo: string): { owner: string; name: string } {
  const [owner = "", ...rest] = repo.split("/");
  return { owner, name: rest.join("/") };
}

export const useRepo = (repo: string) =>
  useQuery({
    queryKey: ["repos", "one", repo],
    queryFn: ({ signal }) => take(api.GET("/api/v1/repos/{owner}/{name}", { params: { path: parts(repo) }, signal })),
  });

export const useWorkflows = (repo: string) =>
  useQuery({
    queryKey: ["workflows", repo],
    queryFn: ({ signal }) => take(api.GET("/api/v1/repos/{owner}/{name}/workflows", { params: { path: parts(repo) }, signal })),
    placeholderData: keepPreviousData,
  });

export const useRun = (run: string) =>
  useQuery({
    queryKey: ["runs", "one", run],
    queryFn: async ({ signal }): Promise<RunDetail> => {
      const answer = await take(api.GET("/api/v1/runs/{run}", { params: { path: { run } }, signal }));
      return { ...answer, jobs: answer.jobs as Job[] };
    },
    refetchInterval: ({ state }) => (state.data && state.data.state !== "finished" ? SLOW_POLL_MS : false),
  });

export const useWhy = (run: string, job: string | null) =>
  useQuery({
    queryKey: ["why", run, job],
    queryFn: ({ signal }) =>
      take(api.GET("/api/v1/runs/{run}/why", { params: { path: { run }, query: job === null ? {} : { job } }, signal })),
  });

export const useLogSearch = (run: string, q: string) =>
  useQuery({
    queryKey: ["search", run, q],
    queryFn: ({ signal }) =>
      take(api.GET("/api/v1/runs/{run}/logs/search", { params: { path: { run }, query: { q, limit: MOST } }, signal })),
    enabled: q.length > 0,
    placeholderData: keepPreviousData,
  });

export const useDelivery = (event: string) =>
  useQuery({
    queryKey: ["events", "one", event],
    queryFn: ({ signal }) => take(api.GET("/api/v1/events/{event}", { params: { path: { event } }, signal })),
    refetchInterval: ({ state }) => (state.data && state.data.outcome === null ? POLL_MS : false),
  });
