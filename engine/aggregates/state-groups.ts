import type { Condition } from "../../rule-language/conditions/condition.ts";
import { Course, type CourseSnapshot } from "./course.ts";
import { Distinct } from "./distinct.ts";
import type { CourseOptions, Fold } from "./folds.ts";
import type { ObjectState } from "./object-state.ts";
import { Quantiles } from "./quantiles.ts";

/**
 * State that windows keep for aggregates, in addition to count, sum, min and max, which every window has. `ends` and
 * `moments` are columns of the accumulators' flat array, because each reading updates them. The others are one object
 * per window. Names and order are stored in checkpoints: add new ones at the end.
 */
const OBJECT_STATES = {
  quantiles: { create: () => new Quantiles(), restore: Quantiles.restore },
  distinct: { create: () => new Distinct(), restore: Distinct.restore },
  states: {
    create: ({ folds, course }) => new Course(folds, course),
    restore: (snapshot: CourseSnapshot, { folds, course }) => new Course(folds, course).restore(snapshot),
  },
} satisfies Readonly<Record<string, ObjectStateKind>>;

export type StateGroup = "ends" | "moments" | keyof typeof OBJECT_STATES;

interface ObjectStateKind {
  create(plan: AggregatePlan): ObjectState;
  restore(snapshot: unknown, plan: AggregatePlan): ObjectState;
}

const KINDS: readonly (readonly [name: string, kind: ObjectStateKind])[] = Object.entries(OBJECT_STATES);
const GROUPS: readonly string[] = ["ends", "moments", ...KINDS.map(([name]) => name)];

/** Encodes state groups as a bit set. */
export function bitsOf(groups: readonly StateGroup[]): number {
  let bits = 0;
  for (const group of groups) bits |= 2 ** GROUPS.indexOf(group);
  return bits;
}

export const NEEDS_ENDS = bitsOf(["ends"]);
export const NEEDS_MOMENTS = bitsOf(["moments"]);
export const NEEDS_COURSE = bitsOf(["states"]);

/** The state that the windows of an input keep. Inputs with equal plans can compute the same aggregates. */
export interface AggregatePlan {
  readonly needs: number;
  /** One count for each condition, in order. */
  readonly countIfs: readonly { readonly name: string; readonly condition: Condition }[];
  /** The folds over the course of values that merged windows keep. */
  readonly folds: readonly Fold[];
  readonly course: CourseOptions;
  /** Whether a window needs the last value before it. */
  readonly keepsLast: boolean;
  readonly identity: string;
}

/** One kind of object state for many windows, by record. */
export class ObjectColumn {
  readonly name: string;
  readonly #kind: ObjectStateKind;
  readonly #plan: AggregatePlan;
  readonly #objects: (ObjectState | undefined)[] = [];

  constructor(name: string, kind: ObjectStateKind, plan: AggregatePlan) {
    this.name = name;
    this.#kind = kind;
    this.#plan = plan;
  }

  /** Undefined before the window's first reading. */
  get(record: number): ObjectState | undefined {
    return this.#objects[record];
  }

  /** The window's state; creates it if missing. */
  at(record: number): ObjectState {
    const known = this.#objects[record];
    if (known !== undefined) return known;
    const object = this.#kind.create(this.#plan);
    this.#objects[record] = object;
    return object;
  }

  clear(record: number): void {
    this.#objects[record] = undefined;
  }

  restore(record: number, snapshot: unknown): void {
    this.#objects[record] = this.#kind.restore(snapshot, this.#plan);
  }
}

/** The object states of a plan, in the order of the table. */
export function objectColumns(plan: AggregatePlan): readonly ObjectColumn[] {
  return KINDS.filter(([name]) => (plan.needs & (2 ** GROUPS.indexOf(name))) !== 0).map(
    ([name, kind]) => new ObjectColumn(name, kind, plan),
  );
}
