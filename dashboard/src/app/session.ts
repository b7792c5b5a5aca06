import { type ReadonlySignal, signal } from "@preact/signals";

const NAME = "weir.token";

/** `missing`: the gateway asks for a token. `refused`: it does not know the one that was shown. */
export type TokenState = "enough" | "missing" | "refused";

/** The token that this tab shows to the gateway. Kept as long as the tab, and never longer. */
export interface Session {
  readonly token: string | undefined;
  readonly state: ReadonlySignal<TokenState>;
  /** The gateway turned the token away, or asked for one. */
  turnedAway(): void;
  /** Shows another token: the page begins again with it. */
  show(token: string): void;
}

export function openSession(target: Window): Session {
  const storage = storageOf(target);
  const token = storage?.getItem(NAME) ?? undefined;
  const state = signal<TokenState>("enough");
  return {
    token,
    state,
    turnedAway() {
      if (state.peek() !== "enough") return;
      storage?.removeItem(NAME);
      state.value = token === undefined ? "missing" : "refused";
    },
    show(next) {
      storage?.setItem(NAME, next);
      target.location.reload();
    },
  };
}

function storageOf(target: Window): Storage | undefined {
  try {
    return target.sessionStorage;
  } catch {
    return undefined;
  }
}
