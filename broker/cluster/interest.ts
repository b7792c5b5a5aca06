import { createHash } from "node:crypto";
import { TopicTrie } from "../common/topic-trie.ts";
import { NEVER_EXPIRES, OWN_PREFIX, type SessionRecord, type SessionStore, TakenOverError } from "../store/port.ts";

/** Filters are stored in this many records: one more rewrites few others. One more record is for marks. */
const BUCKETS = 64;
const INTEREST = `${OWN_PREFIX}interest`;

interface Bucket {
  readonly filters: Map<string, number>;
  record: SessionRecord | undefined;
  /** Of the filters, counted up. */
  version: number;
  /** A write that has not begun takes all filters so far. */
  next: Promise<void> | undefined;
  current: Promise<void>;
  /** Changes were not stored: there was no other edge. */
  isDirty: boolean;
}

/** A record of filters, and how new it is. */
export interface KnownVersion {
  readonly clientId: string;
  readonly version: number;
}

export interface InterestOptions {
  readonly store: SessionStore;
  readonly edge: string;
  /** Whether there are others to store the filters for. */
  readonly isShared: () => boolean;
  /** This edge knows the filters of another one. */
  readonly onKnown: (known: KnownVersion) => void;
  readonly onFailed: (what: string, error: unknown) => void;
}

/**
 * What clients of sessions that are not stored want, by edge. Each edge keeps its filters as the subscriptions of
 * records in the store, so every other edge has them, sooner or later.
 */
export class Interest {
  readonly #options: InterestOptions;
  readonly #buckets: readonly Bucket[];
  /** Filters of other edges. */
  readonly #trie = new TopicTrie<string>();
  /** By the client id of the record. */
  readonly #listed = new Map<string, { readonly edge: string; readonly filters: readonly string[] }>();

  constructor(options: InterestOptions) {
    this.#options = options;
    this.#buckets = Array.from({ length: BUCKETS + 1 }, () => {
      return {
        filters: new Map(),
        record: undefined,
        version: 0,
        next: undefined,
        current: Promise.resolve(),
        isDirty: false,
      };
    });
  }

  /** What an earlier run of this edge has left belongs to nobody. */
  async start(): Promise<void> {
    const { store, edge } = this.#options;
    const left = [...store.sessions()].filter(({ clientId }) => partsOf(clientId)?.edge === edge);
    await Promise.all(left.map((record) => this.#remove(record)));
  }

  async stop(): Promise<void> {
    const records = this.#buckets.flatMap(({ record }) => (record === undefined ? [] : [record]));
    for (const bucket of this.#buckets) {
      bucket.filters.clear();
      bucket.record = undefined;
    }
    await Promise.all(records.map((record) => this.#remove(record)));
  }

  /** Resolves to the record and the version that have it, once that is stored. */
  async add(filter: string): Promise<KnownVersion> {
    const bucket = this.#bucketOf(filter);
    const count = bucket.filters.get(filter) ?? 0;
    bucket.filters.set(filter, count + 1);
    if (count === 0) bucket.version++;
    const { version } = bucket;
    await (count === 0 ? this.#save(bucket) : (bucket.next ?? bucket.current));
    return { clientId: this.#clientIdOf(bucket), version };
  }

  remove(filter: string): void {
    const bucket = this.#bucketOf(filter);
    const count = bucket.filters.get(filter) ?? 0;
    if (count > 1) bucket.filters.set(filter, count - 1);
    else if (bucket.filters.delete(filter)) {
      bucket.version++;
      this.#save(bucket).catch((error: unknown) => this.#options.onFailed("removing a filter", error));
    }
  }

  /** Stores what is not stored yet. Resolves to all records and their versions. */
  async share(): Promise<readonly KnownVersion[]> {
    const used = this.#buckets.filter(
      ({ record, filters, isDirty }) => isDirty || record !== undefined || filters.size > 0,
    );
    await Promise.all(used.map((bucket) => (bucket.isDirty ? this.#save(bucket) : (bucket.next ?? bucket.current))));
    return used.map((bucket) => ({ clientId: this.#clientIdOf(bucket), version: bucket.version }));
  }

  /** Stores a new version of a record that has no filters: who knows it knows all that was stored before. */
  async mark(): Promise<KnownVersion> {
    const bucket = this.#mark;
    bucket.version++;
    const { version } = bucket;
    await this.#save(bucket);
    return { clientId: this.#clientIdOf(bucket), version };
  }

  /** Removes what an edge has left that is dead for long. */
  async forget(edge: string): Promise<void> {
    const left = [...this.#options.store.sessions()].filter(({ clientId }) => partsOf(clientId)?.edge === edge);
    await Promise.all(left.map((record) => this.#remove(record)));
  }

  /** Other edges with clients that want the topic. */
  edgesFor(topic: string): ReadonlySet<string> {
    return new Set(this.#trie.match(topic));
  }

  matchesAny(topic: string): boolean {
    return this.#trie.matchesAny(topic);
  }

  /** False if the record is none of these. */
  changed(clientId: string, record: SessionRecord | undefined): boolean {
    const parts = partsOf(clientId);
    if (parts === undefined) return false;
    const { edge } = parts;
    if (edge === this.#options.edge) {
      this.#ownChanged(parts.bucket, record);
      return true;
    }
    const before = this.#listed.get(clientId)?.filters ?? [];
    const filters = record?.subscriptions.map(({ filter }) => filter) ?? [];
    const wanted = new Set(filters);
    const had = new Set(before);
    for (const filter of before) if (!wanted.has(filter)) this.#trie.remove(filter, (each) => each === edge);
    for (const filter of filters) if (!had.has(filter)) this.#trie.add(filter, edge);
    if (record === undefined) this.#listed.delete(clientId);
    else {
      this.#listed.set(clientId, { edge, filters });
      this.#options.onKnown({ clientId, version: Number(record.user) });
    }
    return true;
  }

  get #mark(): Bucket {
    return this.#buckets[BUCKETS] as Bucket;
  }

  #clientIdOf(bucket: Bucket): string {
    return `${INTEREST}/${this.#buckets.indexOf(bucket)}/${this.#options.edge}`;
  }

  /** Other edges took this one for dead for long, and removed it. */
  #ownChanged(index: number, record: SessionRecord | undefined): void {
    const bucket = this.#buckets[index];
    if (record !== undefined || bucket?.record === undefined) return;
    bucket.record = undefined;
    if (bucket.filters.size === 0) return;
    this.#save(bucket).catch((error: unknown) => this.#options.onFailed("saving filters", error));
  }

  #bucketOf(filter: string): Bucket {
    const index = createHash("sha256").update(filter).digest().readUInt16BE(0) % BUCKETS;
    return this.#buckets[index] as Bucket;
  }

  #save(bucket: Bucket): Promise<void> {
    bucket.isDirty = !this.#options.isShared();
    if (bucket.isDirty) return bucket.current;
    if (bucket.next !== undefined) return bucket.next;
    const save = bucket.current
      .catch(() => {})
      .then(() => {
        bucket.next = undefined;
        return this.#write(bucket);
      });
    bucket.next = save;
    bucket.current = save;
    return save;
  }

  async #write(bucket: Bucket): Promise<void> {
    const { store } = this.#options;
    const clientId = this.#clientIdOf(bucket);
    const { version } = bucket;
    const subscriptions = Array.from(bucket.filters.keys(), (filter) => {
      return { filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    });
    for (;;) {
      try {
        if (bucket.record === undefined) {
          const wish = { user: "", cleanStart: true, expirySeconds: NEVER_EXPIRES };
          const { record } = await store.claim(clientId, wish);
          bucket.record = record;
        }
        const record = { ...bucket.record, user: `${version}`, subscriptions };
        await store.save(record);
        bucket.record = record;
        return;
      } catch (error) {
        if (!(error instanceof TakenOverError)) throw error;
        bucket.record = undefined;
      }
    }
  }

  async #remove({ clientId, epoch }: SessionRecord): Promise<void> {
    try {
      await this.#options.store.remove(clientId, epoch);
    } catch (error) {
      if (!(error instanceof TakenOverError)) throw error;
    }
  }
}

function partsOf(clientId: string): { readonly bucket: number; readonly edge: string } | undefined {
  if (!clientId.startsWith(`${INTEREST}/`)) return undefined;
  const [, bucket = "", ...edge] = clientId.split("/");
  return { bucket: Number(bucket), edge: edge.join("/") };
}
