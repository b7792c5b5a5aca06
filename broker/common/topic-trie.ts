/**
 * Topic filters with their values, matched as in MQTT 3.1.1, section 4.7. A filter may hold a value several times:
 * each `add` needs its own `remove`.
 */
export class TopicTrie<Value> {
  #root = new TrieNode<Value>();
  /** Filters that can match a topic without a leading `$`. If there are none, most lookups end at once. */
  #ordinaryFilters = 0;

  add(filter: string, value: Value): void {
    let node = this.#root;
    for (const level of filter.split("/")) node = node.childFor(level);
    node.values.push(value);
    if (!filter.startsWith("$")) this.#ordinaryFilters++;
  }

  /** Removes one such value; returns false if there is none. */
  remove(filter: string, isIt: (value: Value) => boolean): boolean {
    const path: TrieNode<Value>[] = [this.#root];
    const levels = filter.split("/");
    for (const level of levels) {
      const next = path.at(-1)?.children?.get(level);
      if (next === undefined) return false;
      path.push(next);
    }
    const values = path.at(-1)?.values ?? [];
    const index = values.findIndex(isIt);
    if (index < 0) return false;
    values.splice(index, 1);
    if (!filter.startsWith("$")) this.#ordinaryFilters--;
    prune(path, levels);
    return true;
  }

  /** Whether any filter matches. Almost free while only `$` topics have filters. */
  matchesAny(topic: string): boolean {
    if (this.#ordinaryFilters === 0 && topic.charCodeAt(0) !== DOLLAR) return false;
    return this.match(topic).length > 0;
  }

  match(topic: string): readonly Value[] {
    if (this.#ordinaryFilters === 0 && topic.charCodeAt(0) !== DOLLAR) return NONE;
    const found: Value[] = [];
    collect(this.#root, topic.split("/"), 0, found);
    return found;
  }
}

const DOLLAR = 36;
const NONE: readonly never[] = [];

class TrieNode<Value> {
  readonly values: Value[] = [];
  children: Map<string, TrieNode<Value>> | undefined;

  childFor(level: string): TrieNode<Value> {
    this.children ??= new Map();
    const existing = this.children.get(level);
    if (existing !== undefined) return existing;
    const child = new TrieNode<Value>();
    this.children.set(level, child);
    return child;
  }
}

/** The depth is bounded: the broker limits the levels of filters and topics first. */
function collect<Value>(node: TrieNode<Value>, levels: readonly string[], depth: number, found: Value[]): void {
  const { children } = node;
  const level = levels[depth];
  if (level === undefined) {
    append(found, node.values);
    // `a/#` also matches `a`.
    const parentOf = children?.get("#");
    if (parentOf !== undefined) append(found, parentOf.values);
    return;
  }
  if (children === undefined) return;
  const exact = children.get(level);
  if (exact !== undefined) collect(exact, levels, depth + 1, found);
  // A wildcard in the first level does not match topics that begin with `$`.
  if (depth === 0 && level.charCodeAt(0) === DOLLAR) return;
  const one = children.get("+");
  if (one !== undefined) collect(one, levels, depth + 1, found);
  const rest = children.get("#");
  if (rest !== undefined) append(found, rest.values);
}

/** Spreading a very large array would exhaust the stack. */
function append<Value>(found: Value[], values: readonly Value[]): void {
  for (const value of values) found.push(value);
}

function prune<Value>(path: readonly TrieNode<Value>[], levels: readonly string[]): void {
  for (let i = levels.length; i > 0; i--) {
    const node = path[i];
    if (node === undefined || node.values.length > 0 || (node.children?.size ?? 0) > 0) return;
    path[i - 1]?.children?.delete(levels[i - 1] ?? "");
  }
}
