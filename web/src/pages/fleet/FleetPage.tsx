// Every repository of the hub: state, last run, durations, what runs now.
import { Link } from "react-router";
import { useRepos } from "../../api/queries.ts";
import type { Repo } from "../../api/types.ts";
import { anySet, useFilters } from "../../lib/filters.ts";
import { SearchField, SelectField } from "../../ui/Fields.tsx";
import { List, PageHead } from "../../ui/Page.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { RepoRow } from "./RepoRow.tsx";
import { VIEWS, type View, matches, sorted } from "./views.ts";

const NAMES = ["q", "view", "sort"] as const;

export function FleetPage() {
  const [filters, set, clear] = useFilters(NAMES);
  const list = useRepos({ q: filters["q"] });
  const view = (VIEWS.some((one) => one.key === filters["view"]) ? filters["view"] : "all") as View;
  const repos = list.items ?? [];
  return (
    <>
      <PageHead title="Fleet" />
      <div className="toolbar">
        <SearchField label="Search repositories" value={filters["q"] ?? ""} onChange={(value) => set("q", value)} />
        <div className="chips" role="group" aria-label="Show">
          {VIEWS.map((one) => (
            <button
              key={one.key}
              type="button"
              className="chip"
              aria-pressed={view === one.key}
              onClick={() => set("view", one.key === "all" ? "" : one.key)}
            >
              {one.name} <span className="count">{list.items ? count(repos, one.key, list.hasNextPage) : "…"}</span>
            </button>
          ))}
        </div>
        <SelectField
          label="Order"
          value={filters["sort"] ?? ""}
          all="By name"
          choices={[
            ["latest", "Latest run first"],
            ["attention", "Failing first"],
          ]}
          onChange={(value) => set("sort", value)}
        />
      </div>
      <List
        list={list}
        label="Repositories"
        rowHeight={57}
        filter={(items) => sorted(items.filter((repo) => matches(repo, view)), filters["sort"] ?? "")}
        row={(repo) => <RepoRow key={repo.name} repo={repo} />}
        empty={
          anySet(filters) ? (
            <Empty title="No repository matches.">
              <button type="button" className="button" onClick={clear}>
                Clear the filters
              </button>
            </Empty>
          ) : (
            <FirstRepository />
          )
        }
      />
    </>
  );
}

function count(repos: Repo[], view: View, more: boolean): string {
  return `${repos.filter((repo) => matches(repo, view)).length}${more ? "+" : ""}`;
}

function FirstRepository() {
  return (
    <Empty title="This hub has no repository yet.">
      <p>Register the first one; its workflow files are read as they are:</p>
      <pre>gantry repos add owner/name --url https://…/owner/name.git</pre>
      <p>
        Then send it an event: a push, or a run by hand on the repository's page. What arrives is shown under{" "}
        <Link to="/events">Events</Link>.
      </p>
    </Empty>
  );
}
