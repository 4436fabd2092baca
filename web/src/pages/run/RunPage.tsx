// One run: head, list of jobs, and either the overview or one job with its log.
import { useEffect } from "react";
import { useParams } from "react-router";
import { useRun } from "../../api/queries.ts";
import { useFollowRun } from "../../live/Live.tsx";
import { useTitle } from "../../lib/title.ts";
import { ProblemBox, SkeletonRows } from "../../ui/Problem.tsx";
import { statusOf } from "../../ui/status.ts";
import { JobList } from "./JobList.tsx";
import { JobPanel } from "./JobPanel.tsx";
import { Overview } from "./Overview.tsx";
import { RunHeader } from "./RunHeader.tsx";

export default function RunPage() {
  const { run: id = "", job: jobId } = useParams();
  const run = useRun(id);
  useFollowRun(id);
  const data = run.data;
  useTitle(data ? `${statusOf(data).label}: ${data.repository} #${data.number}` : "Run");
  useEffect(() => {
    if (!jobId) window.scrollTo(0, 0);
  }, [jobId]);

  if (run.isError && !data) return <ProblemBox error={run.error} retry={() => void run.refetch()} />;
  if (!data) return <SkeletonRows rows={8} height={48} />;
  const job = jobId ? data.jobs.find((one) => one.id === jobId) : undefined;
  return (
    <div className="run">
      <RunHeader run={data} />
      <div className="run-columns">
        <JobList run={data} current={jobId ?? null} />
        <div className="run-main">
          {jobId ? (
            job ? (
              <JobPanel key={job.id} run={data} job={job} />
            ) : (
              <ProblemBox error={new Error("This run has no such job. Choose one from the list.")} />
            )
          ) : (
            <Overview run={data} />
          )}
        </div>
      </div>
    </div>
  );
}
