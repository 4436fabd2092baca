// The graph of a run's jobs. What it shows is also in the list of jobs, which needs no mouse.
import { Background, type Edge, Handle, type Node, type NodeProps, Panel, Position, ReactFlow, useReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useEffect, useMemo, useState } from "react";
import { Link } from "react-router";
import type { Job } from "../api/types.ts";
import { ShapeIcon } from "../ui/Icon.tsx";
import { StatusFor } from "../ui/StatusMark.tsx";
import { Took } from "../ui/Time.tsx";
import { statusOf } from "../ui/status.ts";
import { type JobGroup, groupJobs, groupState, legLabel } from "./groups.ts";
import { DRAWN_CELLS, type Layout, NAMED_LEGS, layoutGraph } from "./layout.ts";

const NARROW = "(max-width: 720px)";
const MOST_HEIGHT = 460;
/** On a phone names stay readable, and one moves the graph about. */
const NARROW_ZOOM = 0.72;

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => window.matchMedia(NARROW).matches);
  useEffect(() => {
    const query = window.matchMedia(NARROW);
    const change = () => setNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return narrow;
}

type GroupNode = Node<{ group: JobGroup; vertical: boolean }, "jobs">;

const NODE_TYPES = { jobs: GroupBox };

function fitOf(narrow: boolean) {
  return { minZoom: narrow ? NARROW_ZOOM : 0.2, maxZoom: 1, padding: 0.06 };
}

export default function RunGraph({ jobs }: { jobs: Job[] }) {
  const narrow = useNarrow();
  const groups = useMemo(() => groupJobs(jobs), [jobs]);
  // Positions follow from the shape alone, so that a change of state moves nothing.
  const shape = groups.map((group) => `${group.id}:${group.legs.length}:${group.needs.join(",")}`).join(";");
  const placed = useMemo(() => layoutGraph(groups, narrow ? "TB" : "LR"), [shape, narrow]);
  const { nodes, edges } = useMemo(() => drawn(placed, groups, narrow), [placed, groups, narrow]);
  return (
    <section className="graph" aria-label="Graph of jobs" style={{ height: Math.min(MOST_HEIGHT, placed.height + 40) }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        zoomOnDoubleClick={false}
        preventScrolling={false}
        minZoom={0.2}
        maxZoom={1.5}
        fitView
        fitViewOptions={fitOf(narrow)}
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={20} size={1} />
        <Buttons shape={shape} narrow={narrow} />
      </ReactFlow>
    </section>
  );
}

function Buttons({ shape, narrow }: { shape: string; narrow: boolean }) {
  const flow = useReactFlow();
  useEffect(() => {
    const frame = requestAnimationFrame(() => void flow.fitView(fitOf(narrow)));
    return () => cancelAnimationFrame(frame);
  }, [flow, shape, narrow]);
  return (
    <Panel position="bottom-right" className="graph-buttons">
      <button type="button" className="button small" aria-label="Zoom out" onClick={() => void flow.zoomOut()}>
        −
      </button>
      <button type="button" className="button small" aria-label="Zoom in" onClick={() => void flow.zoomIn()}>
        +
      </button>
      <button type="button" className="button small" onClick={() => void flow.fitView(fitOf(narrow))}>
        Fit
      </button>
    </Panel>
  );
}

function drawn(placed: Layout, groups: JobGroup[], vertical: boolean): { nodes: GroupNode[]; edges: Edge[] } {
  const byId = new Map(groups.map((group) => [group.id, group]));
  const nodes: GroupNode[] = placed.boxes.map((box) => ({
    id: box.group.id,
    type: "jobs",
    position: { x: box.x, y: box.y },
    width: box.width,
    height: box.height,
    data: { group: byId.get(box.group.id) ?? box.group, vertical },
  }));
  const edges: Edge[] = placed.edges.map(({ from, to }) => {
    const done = byId.get(from);
    const tone = done ? statusOf(groupState(done)).tone : "idle";
    return { id: `${from} ${to}`, source: from, target: to, className: `edge tone-${tone}` };
  });
  return { nodes, edges };
}

function GroupBox({ data: { group, vertical } }: NodeProps<GroupNode>) {
  const state = groupState(group);
  const [only] = group.legs;
  return (
    <div className={`graph-node tone-${statusOf(state).tone}`}>
      <Handle type="target" position={vertical ? Position.Top : Position.Left} isConnectable={false} />
      {group.isMatrix || !only ? (
        <div className="graph-head">
          <StatusFor it={state} word={false} />
          <span className="graph-name" title={group.name}>
            {group.name}
          </span>
          <span className="count">{group.legs.length}</span>
        </div>
      ) : (
        <Link className="graph-head" to={`/runs/${only.run}/jobs/${only.id}`}>
          <StatusFor it={only} word={false} />
          <span className="graph-name" title={only.name}>
            {only.name}
          </span>
          <span className="graph-took tabular">
            <Took it={only} />
          </span>
        </Link>
      )}
      {group.isMatrix && (group.legs.length <= NAMED_LEGS ? <Legs legs={group.legs} /> : <Cells legs={group.legs} />)}
      <Handle type="source" position={vertical ? Position.Bottom : Position.Right} isConnectable={false} />
    </div>
  );
}

function Legs({ legs }: { legs: Job[] }) {
  return (
    <ul className="graph-legs">
      {legs.map((leg) => (
        <li key={leg.id}>
          <Link to={`/runs/${leg.run}/jobs/${leg.id}`}>
            <StatusFor it={leg} word={false} />
            <span className="graph-name" title={legLabel(leg)}>
              {legLabel(leg)}
            </span>
            <span className="graph-took tabular">
              <Took it={leg} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Cells({ legs }: { legs: Job[] }) {
  return (
    <>
      <ul className="graph-cells">
        {legs.slice(0, DRAWN_CELLS).map((leg) => {
          const status = statusOf(leg);
          const label = `${legLabel(leg)}: ${status.label}`;
          return (
            <li key={leg.id}>
              <Link className={`status tone-${status.tone}`} to={`/runs/${leg.run}/jobs/${leg.id}`} aria-label={label} title={label}>
                <ShapeIcon shape={status.shape} />
              </Link>
            </li>
          );
        })}
      </ul>
      {legs.length > DRAWN_CELLS && <p className="graph-more">and {legs.length - DRAWN_CELLS} more in the list of jobs</p>}
    </>
  );
}
