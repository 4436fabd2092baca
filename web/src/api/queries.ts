// What the pages read: one hook per resource. Keys begin with the resource's name; `live/apply.ts` relies on them.
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type Query, call } from "./client.ts";
import type {
  Delivery,
  DeliveryDetail,
  Health,
  Me,
  Page,
  QueueItem,
  Repo,
  RunDetail,
  RunSummary,
  Runner,
  SearchHit,
  Token,
  Why,
  Workflow,
} from "./types.ts";

/** Changes come by the stream; behind it there is a slow look, since a stream may be cut off by what lies between. */
const SLOW_POLL_MS = 15_000;
/** An event is decided in a moment. */
const POLL_MS = 2_000;

/** A list of the API, page by page. */
export function usePages<T>(resource: string, path: string, query: Query) {
  const list = useInfiniteQuery({
    queryKey: [resource, "list", path, query],
    queryFn: ({ pageParam, signal }) => call<Page<T>>(path, { query: { ...query, cursor: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
  });
  const items = list.data?.pages.flatMap((page) => page.items);
  return { ...list, items };
}

export function repoPath(repo: string): string {
  return `/repos/${repo.split("/").map(encodeURIComponent).join("/")}`;
}

export const useRepos = (query: Query) => usePages<Repo>("repos", "/repos", { limit: 200, ...query });
export const useRuns = (query: Query) => usePages<RunSummary>("runs", "/runs", query);
export const useQueue = (query: Query) => usePages<QueueItem>("queue", "/queue", { limit: 200, ...query });
export const useRunners = (query: Query) => usePages<Runner>("runners", "/runners", { limit: 200, ...query });
export const useDeliveries = (query: Query) => usePages<Delivery>("events", "/events", query);
export const useTokens = () => usePages<Token>("tokens", "/tokens", { limit: 200 });

export const useMe = () =>
  useQuery({
    queryKey: ["me"],
    queryFn: ({ signal }) => call<Me>("/me", { signal }),
    staleTime: 300_000,
    retry: false,
  });

export const useHealth = () =>
  useQuery({ queryKey: ["health"], queryFn: ({ signal }) => call<Health>("/health", { signal }), staleTime: 60_000 });

export const useRepo = (repo: string) =>
  useQuery({ queryKey: ["repos", "one", repo], queryFn: ({ signal }) => call<Repo>(repoPath(repo), { signal }) });

export const useWorkflows = (repo: string, ref: string | null) =>
  useQuery({
    queryKey: ["workflows", repo, ref],
    queryFn: async ({ signal }) => {
      const answer = await call<Workflow[] | Page<Workflow>>(`${repoPath(repo)}/workflows`, { query: { ref }, signal });
      return Array.isArray(answer) ? answer : answer.items;
    },
    placeholderData: keepPreviousData,
  });

export const useRun = (run: string) =>
  useQuery({
    queryKey: ["runs", "one", run],
    queryFn: ({ signal }) => call<RunDetail>(`/runs/${run}`, { signal }),
    refetchInterval: ({ state }) => (state.data && state.data.state !== "finished" ? SLOW_POLL_MS : false),
  });

export const useWhy = (run: string, job: string | null) =>
  useQuery({
    queryKey: ["why", run, job],
    queryFn: ({ signal }) => call<Why>(`/runs/${run}/why`, { query: { job }, signal }),
  });

export const useLogSearch = (run: string, q: string) =>
  useQuery({
    queryKey: ["search", run, q],
    queryFn: ({ signal }) =>
      call<{ hits: SearchHit[]; truncated: boolean }>(`/runs/${run}/logs/search`, { query: { q, limit: 200 }, signal }),
    enabled: q.length > 0,
    placeholderData: keepPreviousData,
  });

export const useDelivery = (event: string) =>
  useQuery({
    queryKey: ["events", "one", event],
    queryFn: ({ signal }) => call<DeliveryDetail>(`/events/${event}`, { signal }),
    refetchInterval: ({ state }) => (state.data && state.data.outcome === null ? POLL_MS : false),
  });
