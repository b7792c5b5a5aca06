import type { Message, RetainedMessages } from "./port.ts";

/** Estimated overhead of a message in memory and on disk. */
const MESSAGE_BYTES = 200;

interface Node {
  children: Map<string, Node> | undefined;
  message: Message | undefined;
}

export interface RetainedLimits {
  readonly retainedMax: number;
  readonly retainedBytesMax: number;
}

/** Retained messages as a tree of topic levels: a filter visits only what it can match (MQTT 5, section 4.7). */
export class RetainedTree implements RetainedMessages {
  readonly #limits: RetainedLimits;
  readonly #root = newNode();
  #size = 0;
  #bytes = 0;

  constructor(limits: RetainedLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  get(topic: string): Message | undefined {
    let node: Node | undefined = this.#root;
    for (const level of topic.split("/")) node = node?.children?.get(level);
    return node?.message;
  }

  /** Whether the message fits the bounds, in place of the earlier one of its topic. */
  hasRoomFor(message: Message): boolean {
    const before = this.get(message.topic);
    const { retainedMax, retainedBytesMax } = this.#limits;
    const bytes = this.#bytes - (before === undefined ? 0 : bytesOf(before)) + bytesOf(message);
    return (before !== undefined || this.#size < retainedMax) && bytes <= retainedBytesMax;
  }

  set(message: Message): void {
    let node = this.#root;
    for (const level of message.topic.split("/")) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = newNode();
        node.children.set(level, child);
      }
      node = child;
    }
    if (node.message === undefined) this.#size++;
    else this.#bytes -= bytesOf(node.message);
    this.#bytes += bytesOf(message);
    node.message = message;
  }

  delete(topic: string): boolean {
    const levels = topic.split("/");
    const path: Node[] = [this.#root];
    for (const level of levels) {
      const next = path.at(-1)?.children?.get(level);
      if (next === undefined) return false;
      path.push(next);
    }
    const node = path.at(-1);
    if (node?.message === undefined) return false;
    this.#size--;
    this.#bytes -= bytesOf(node.message);
    node.message = undefined;
    for (let i = levels.length; i > 0; i--) {
      const { message, children } = path[i] ?? newNode();
      if (message !== undefined || (children?.size ?? 0) > 0) break;
      path[i - 1]?.children?.delete(levels[i - 1] ?? "");
    }
    return true;
  }

  *all(): Generator<Message> {
    yield* below(this.#root);
  }

  *matching(filters: readonly string[]): Generator<Message> {
    if (filters.length === 1) {
      yield* matchesFrom(this.#root, (filters[0] ?? "").split("/"), 0);
      return;
    }
    const seen = new Set<Message>();
    for (const filter of filters) {
      for (const message of matchesFrom(this.#root, filter.split("/"), 0)) {
        if (seen.has(message)) continue;
        seen.add(message);
        yield message;
      }
    }
  }
}

/** The depth is bounded: the broker limits the levels of filters and topics first. */
function* matchesFrom(node: Node, filter: readonly string[], depth: number): Generator<Message> {
  const level = filter[depth];
  if (level === undefined) {
    if (node.message !== undefined) yield node.message;
    return;
  }
  if (level !== "#" && level !== "+") {
    const child = node.children?.get(level);
    if (child !== undefined) yield* matchesFrom(child, filter, depth + 1);
    return;
  }
  // `a/#` also matches `a`.
  if (level === "#" && node.message !== undefined) yield node.message;
  for (const [name, child] of node.children ?? []) {
    // A wildcard in the first level does not match topics that begin with `$`.
    if (depth === 0 && name.startsWith("$")) continue;
    yield* level === "#" ? below(child) : matchesFrom(child, filter, depth + 1);
  }
}

function* below(node: Node): Generator<Message> {
  if (node.message !== undefined) yield node.message;
  for (const child of node.children?.values() ?? []) yield* below(child);
}

function newNode(): Node {
  return { children: undefined, message: undefined };
}

function bytesOf({ topic, payload, properties }: Message): number {
  return MESSAGE_BYTES + topic.length + payload.length + propertiesBytes(properties);
}

/** About as many as in memory. */
export function propertiesBytes(properties: Message["properties"]): number {
  if (properties === undefined) return 0;
  const { contentType = "", responseTopic = "", correlationData, userProperties = [] } = properties;
  let bytes = contentType.length + responseTopic.length + (correlationData?.length ?? 0);
  for (const [name, value] of userProperties) bytes += name.length + value.length;
  return bytes;
}
