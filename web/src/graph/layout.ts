// Where the nodes of the graph lie. Pure: groups in, boxes and edges out.
import { Graph, layout } from "@dagrejs/dagre";
import type { JobGroup } from "./groups.ts";

export const NODE_WIDTH = 224;
const HEAD = 38;
const LEG = 26;
const CELL = 26;
export const CELLS_A_ROW = 7;
/** More legs than this are drawn as cells, without their names. */
export const NAMED_LEGS = 6;
export const DRAWN_CELLS = 35;
const FOOT = 8;

export interface Box {
  group: JobGroup;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  boxes: Box[];
  edges: { from: string; to: string }[];
  width: number;
  height: number;
}

export function nodeHeight(group: JobGroup): number {
  if (!group.isMatrix) return HEAD;
  const legs = group.legs.length;
  if (legs <= NAMED_LEGS) return HEAD + legs * LEG + FOOT;
  const rows = Math.ceil(Math.min(legs, DRAWN_CELLS) / CELLS_A_ROW);
  return HEAD + rows * CELL + (legs > DRAWN_CELLS ? LEG : 0) + FOOT;
}

/** Edges that follow from others are left out: with a→b→c, a→c says nothing new. */
export function edgesOf(groups: readonly JobGroup[]): { from: string; to: string }[] {
  const needs = new Map(groups.map((group) => [group.id, group.needs]));
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    if (from === to) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return (needs.get(from) ?? []).some((next) => reaches(next, to, seen));
  };
  return groups.flatMap((group) =>
    group.needs
      .filter((need) => !group.needs.some((other) => other !== need && reaches(other, need, new Set())))
      .map((need) => ({ from: need, to: group.id })),
  );
}

export function layoutGraph(groups: readonly JobGroup[], direction: "LR" | "TB"): Layout {
  const graph = new Graph();
  graph.setGraph({ rankdir: direction, nodesep: 18, ranksep: direction === "LR" ? 56 : 32, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const group of groups) graph.setNode(group.id, { width: NODE_WIDTH, height: nodeHeight(group) });
  const edges = edgesOf(groups);
  for (const edge of edges) graph.setEdge(edge.from, edge.to);
  layout(graph);
  const boxes = groups.map((group) => {
    const node = graph.node(group.id) as { x: number; y: number; width: number; height: number };
    return {
      group,
      x: node.x - node.width / 2,
      y: node.y - node.height / 2,
      width: node.width,
      height: node.height,
    };
  });
  const right = Math.max(0, ...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(0, ...boxes.map((box) => box.y + box.height));
  return { boxes, edges, width: right + 4, height: bottom + 4 };
}
