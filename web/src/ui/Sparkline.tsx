// Durations of the last runs as bars, oldest first. Height is the duration; failed runs are also hatched at the foot, so
// that colour is not the only sign.
import type { RecentRun } from "../api/types.ts";
import { duration } from "../lib/time.ts";

const WIDTH = 5;
const GAP = 2;
const HEIGHT = 24;
const SLOTS = 20;

export function Sparkline({ recent }: { recent: RecentRun[] }) {
  if (recent.length === 0) return <span className="sparkline-none muted">no runs yet</span>;
  const most = Math.max(1, ...recent.map((run) => run.duration_ms ?? 0));
  const failed = recent.filter((run) => run.outcome === "failure" || run.outcome === "timed_out").length;
  const width = Math.min(SLOTS, recent.length) * (WIDTH + GAP) - GAP;
  const last = recent.at(-1);
  const label = `Last ${recent.length} runs: ${failed} failed, the latest took ${duration(last?.duration_ms)}`;
  return (
    <svg
      className="sparkline"
      role="img"
      aria-label={label}
      width={width}
      height={HEIGHT}
      viewBox={`0 0 ${width} ${HEIGHT}`}
    >
      <title>{label}</title>
      {recent.slice(-SLOTS).map((run, index) => {
        const x = index * (WIDTH + GAP);
        const height = 5 + (HEIGHT - 5) * Math.sqrt((run.duration_ms ?? 0) / most);
        return <Bar key={run.run} x={x} height={height} outcome={run.outcome} />;
      })}
    </svg>
  );
}

function Bar({ x, height, outcome }: { x: number; height: number; outcome: string | null }) {
  const bad = outcome === "failure" || outcome === "timed_out";
  const tone = outcome === "success" ? "good" : bad ? "bad" : "idle";
  return (
    <g className={`bar tone-${tone}`}>
      <rect x={x} y={HEIGHT - height} width={WIDTH} height={height} rx={1} />
      {bad && <path className="notch" d={`M${x} ${HEIGHT - 4.5}h${WIDTH}`} />}
    </g>
  );
}
