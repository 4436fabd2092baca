// The routes. The run page, with its graph and its log, is loaded when it is first opened.
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Suspense, lazy } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { asProblem } from "../api/problem.ts";
import { DeliveryPage } from "../pages/events/DeliveryPage.tsx";
import { EventsPage } from "../pages/events/EventsPage.tsx";
import { FleetPage } from "../pages/fleet/FleetPage.tsx";
import { NotFound } from "../pages/NotFound.tsx";
import { QueuePage } from "../pages/queue/QueuePage.tsx";
import { RepoPage } from "../pages/repo/RepoPage.tsx";
import { RunnersPage } from "../pages/runners/RunnersPage.tsx";
import { RunsPage } from "../pages/runs/RunsPage.tsx";
import { SignInPage } from "../pages/SignInPage.tsx";
import { TokensPage } from "../pages/tokens/TokensPage.tsx";
import { Notices } from "../ui/action.tsx";
import { SkeletonRows } from "../ui/Problem.tsx";
import { Layout } from "./Layout.tsx";

const RunPage = lazy(() => import("../pages/run/RunPage.tsx"));

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      // The session has ended: the frame asks again who this is, and leads to the sign-in.
      if (asProblem(error).status === 401 && query.queryKey[0] !== "me") void client.invalidateQueries({ queryKey: ["me"] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      retry: (count, error) => asProblem(error).status === 0 || asProblem(error).status >= 500 ? count < 3 : false,
    },
  },
});

const run = (
  <Suspense fallback={<SkeletonRows rows={8} />}>
    <RunPage />
  </Suspense>
);

export function App() {
  return (
    <QueryClientProvider client={client}>
      <Notices>
        <BrowserRouter>
          <Routes>
            <Route path="/sign-in" element={<SignInPage />} />
            <Route element={<Layout />}>
              <Route index element={<FleetPage />} />
              <Route path="/runs" element={<RunsPage />} />
              <Route path="/runs/:run" element={run} />
              <Route path="/runs/:run/jobs/:job" element={run} />
              <Route path="/repos/:owner/:name" element={<RepoPage tab="runs" />} />
              <Route path="/repos/:owner/:name/workflows" element={<RepoPage tab="workflows" />} />
              <Route path="/queue" element={<QueuePage />} />
              <Route path="/runners" element={<RunnersPage />} />
              <Route path="/events" element={<EventsPage />} />
              <Route path="/events/:event" element={<DeliveryPage />} />
              <Route path="/tokens" element={<TokensPage />} />
              <Route path="*" element={<NotFound />} />
            </Route>
          </Routes>
        </BrowserRouter>
      </Notices>
    </QueryClientProvider>
  );
}
