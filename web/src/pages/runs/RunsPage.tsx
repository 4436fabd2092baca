// All runs of the hub, or with `repo` those of one repository, with filters.
import { useRuns } from "../../api/queries.ts";
import { anySet, useFilters } from "../../lib/filters.ts";
import { type Choice, SearchField, SelectField } from "../../ui/Fields.tsx";
import { List, PageHead } from "../../ui/Page.tsx";
import { Empty } from "../../ui/Problem.tsx";
import { RunRow } from "../../ui/RunRow.tsx";

const NAMES = ["q", "state", "outcome", "event", "workflow", "branch", "actor", "event_id"] as const;

const STATES: Choice[] = [
  ["pending", "Pending"],
  ["running", "Running"],
  ["cancelling", "Cancelling"],
  ["finished", "Finished"],
];
const OUTCOMES: Choice[] = [
  ["success", "Succeeded"],
  ["failure", "Failed"],
  ["cancelled", "Cancelled"],
  ["timed_out", "Timed out"],
  ["skipped", "Skipped"],
];
const EVENTS: Choice[] = ["push", "pull_request", "schedule", "workflow_dispatch", "release", "merge_group"].map(
  (event) => [event, event],
);

export function RunsPage() {
  return (
    <>
      <PageHead title="Runs" />
      <Runs />
    </>
  );
}

export function Runs({ repo, workflows = [] }: { repo?: string; workflows?: Choice[] }) {
  const [filters, set, clear] = useFilters(NAMES);
  const list = useRuns({ ...filters, repo });
  return (
    <>
      <div className="toolbar">
        <SearchField label="Search runs" value={filters["q"] ?? ""} onChange={(value) => set("q", value)} />
        <SelectField label="State" all="Any state" choices={STATES} value={filters["state"] ?? ""} onChange={(v) => set("state", v)} />
        <SelectField
          label="Outcome"
          all="Any outcome"
          choices={OUTCOMES}
          value={filters["outcome"] ?? ""}
          onChange={(v) => set("outcome", v)}
        />
        <SelectField label="Event" all="Any event" choices={EVENTS} value={filters["event"] ?? ""} onChange={(v) => set("event", v)} />
        {workflows.length > 0 && (
          <SelectField
            label="Workflow"
            all="Any workflow"
            choices={workflows}
            value={filters["workflow"] ?? ""}
            onChange={(v) => set("workflow", v)}
          />
        )}
        <SearchField label="Branch" primary={false} value={filters["branch"] ?? ""} onChange={(value) => set("branch", value)} />
        <SearchField label="Actor" primary={false} value={filters["actor"] ?? ""} onChange={(value) => set("actor", value)} />
        {anySet(filters) && (
          <button type="button" className="button quiet" onClick={clear}>
            Clear
          </button>
        )}
      </div>
      <List
        list={list}
        label="Runs"
        rowHeight={57}
        row={(run) => <RunRow key={run.id} run={run} repo={!repo} />}
        empty={
          anySet(filters) ? (
            <Empty title="No run matches.">
              <button type="button" className="button" onClick={clear}>
                Clear the filters
              </button>
            </Empty>
          ) : (
            <Empty title="No run yet.">
              <p>
                Push to a registered repository, or start a workflow by hand on its page. An event that led to no run is
                listed under Events, with the reason.
              </p>
            </Empty>
          )
        }
      />
    </>
  );
}
