import { dirname } from "node:path/posix";
import { isKit, isTest } from "./imports.ts";
import type { Import } from "./source-file.ts";

type Graph = Map<string, Map<string, Import>>;

/** Files that import each other in a circle, type imports included, as `a.ts -> b.ts -> a.ts`. */
export function fileCircles(imports: readonly Import[]): string[] {
  const graph: Graph = new Map();
  for (const each of imports) if (each.target !== undefined) addEdge(graph, each.from.path, each.target, each);
  return circlesIn(graph);
}

/**
 * Folders that import each other in a circle, at any level. The files that lie directly in a folder count as a room
 * beside its subfolders, named `folder/*`. Tests and test kits do not count: they import from everywhere.
 */
export function folderCircles(imports: readonly Import[]): string[] {
  const graphs = new Map<string, Graph>();
  for (const each of imports) {
    const { from, target } = each;
    if (target === undefined || isTest(from.path) || isKit(from.path)) continue;
    const source = folderParts(from.path);
    const destination = folderParts(target);
    let shared = 0;
    while (shared < source.length && source[shared] === destination[shared]) shared++;
    const a = roomAt(source, shared);
    const b = roomAt(destination, shared);
    if (a === b) continue;
    const parent = source.slice(0, shared).join("/");
    const graph: Graph = graphs.get(parent) ?? new Map();
    graphs.set(parent, graph);
    addEdge(graph, a, b, each);
  }
  return [...graphs.values()].flatMap(circlesIn);
}

function folderParts(path: string): string[] {
  const folder = dirname(path);
  return folder === "." ? [] : folder.split("/");
}

/** The subfolder at a depth, or the folder's own files. */
function roomAt(parts: readonly string[], depth: number): string {
  const inside = parts.slice(0, depth + 1).join("/");
  return parts.length > depth ? inside : `${inside}/*`;
}

function addEdge(graph: Graph, from: string, to: string, by: Import): void {
  const targets = graph.get(from) ?? new Map<string, Import>();
  graph.set(from, targets);
  if (!targets.has(to)) targets.set(to, by);
}

/** One shortest circle through each node that lies on one, each circle once. */
function circlesIn(graph: Graph): string[] {
  const circles = new Map<string, string>();
  for (const start of [...graph.keys()].sort()) {
    const circle = shortestCircle(graph, start);
    if (circle === undefined) continue;
    const name = [...circle].sort().join(" ");
    if (!circles.has(name)) circles.set(name, describe(graph, circle));
  }
  return [...circles.values()];
}

function shortestCircle(graph: Graph, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const waiting = [start];
  for (const node of waiting) {
    for (const next of graph.get(node)?.keys() ?? []) {
      if (next === start) return pathTo(cameFrom, start, node);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      waiting.push(next);
    }
  }
  return undefined;
}

function pathTo(cameFrom: ReadonlyMap<string, string>, start: string, end: string): string[] {
  const path = [end];
  while (path[0] !== start) path.unshift(cameFrom.get(path[0] as string) as string);
  return path;
}

function describe(graph: Graph, circle: readonly string[]): string {
  const steps = circle.map((node, i) => {
    const next = circle[(i + 1) % circle.length] as string;
    const by = graph.get(node)?.get(next);
    return by && by.from.path !== node ? `${node} (${by.from.path}:${by.line})` : node;
  });
  return [...steps, circle[0]].join(" -> ");
}
