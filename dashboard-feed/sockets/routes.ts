import type { Position } from "../common/cursor.ts";
import type { StateView } from "../views/view.ts";
import type { Interest } from "./interest.ts";

/** The number of groups whose interests are cached. */
const GROUPS_MAX = 500_000;

interface Route {
  /** How many interests, counted from the first, were evaluated. */
  evaluated: number;
  readonly interested: Interest[];
}

interface Changes {
  readonly head: Position;
  readonly slotsOf: ReadonlyMap<Interest, readonly number[]>;
}

const NONE: readonly number[] = [];

/**
 * Which filters match which items of a view. With many filters, most changes concern few of them. Each change goes
 * only to those filters, so the others need not evaluate it.
 */
export class Routes {
  readonly #view: StateView;
  readonly #groupOf: (slot: number) => number;
  readonly #interests: Interest[] = [];
  readonly #routes = new Map<number, Route>();
  readonly #changes = new Map<Position, Changes>();
  /** How many items had left the view when their routes were last dropped. */
  #removed = 0;

  constructor(view: StateView, groupOf: (slot: number) => number) {
    this.#view = view;
    this.#groupOf = groupOf;
  }

  add(interest: Interest): void {
    this.#interests.push(interest);
    this.#changes.clear();
  }

  remove(interest: Interest): void {
    const at = this.#interests.indexOf(interest);
    if (at < 0) return;
    this.#interests.splice(at, 1);
    // Routes refer to interests by their number.
    this.#routes.clear();
  }

  /** The slots that match an interest and changed after a position, oldest change first. */
  changedAfter(after: Position, interest: Interest): readonly number[] {
    let changes = this.#changes.get(after);
    if (changes === undefined || changes.head !== this.#view.head) {
      changes = { head: this.#view.head, slotsOf: this.#distribute(after) };
      this.#changes.set(after, changes);
    }
    return changes.slotsOf.get(interest) ?? NONE;
  }

  clear(): void {
    this.#changes.clear();
  }

  #distribute(after: Position): Map<Interest, number[]> {
    this.#dropRemoved();
    const slotsOf = new Map<Interest, number[]>();
    for (const slot of this.#view.order.changedAfter(after)) {
      for (const interest of this.#routeOf(slot).interested) {
        const slots = slotsOf.get(interest);
        if (slots === undefined) slotsOf.set(interest, [slot]);
        else slots.push(slot);
      }
    }
    return slotsOf;
  }

  /** A group that left the view may have other items now. */
  #dropRemoved(): void {
    const { removals } = this.#view;
    if (removals === undefined || removals.count === this.#removed) return;
    const left = removals.since(this.#removed);
    if (left === undefined) this.#routes.clear();
    else for (const { slot } of left) this.#routes.delete(slot);
    this.#removed = removals.count;
  }

  #routeOf(slot: number): Route {
    const group = this.#groupOf(slot);
    let route = this.#routes.get(group);
    if (route === undefined) {
      if (this.#routes.size >= GROUPS_MAX) this.#routes.clear();
      route = { evaluated: 0, interested: [] };
      this.#routes.set(group, route);
    }
    for (; route.evaluated < this.#interests.length; route.evaluated++) {
      const interest = this.#interests[route.evaluated];
      if (interest?.matches(slot)) route.interested.push(interest);
    }
    return route;
  }
}
