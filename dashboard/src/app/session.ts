import { type ReadonlySignal, signal } from "@preact/signals";

const NAME = "weir.token";

/** `missing`: the gateway requires a token. `refused`: it does not know this token. */
export type TokenState = "enough" | "missing" | "refused";

/** The token that this tab sends to the gateway. It is never kept longer than the tab. */
export interface Session {
  readonly token: string | undefined;
  readonly state: ReadonlySignal<TokenState>;
  /** The gateway refused the token, or requires one. */
  unauthorized(): void;
  /** Stores another token and reloads the page. */
  show(token: string): void;
}

export function openSession(target: Window): Session {
  const storage = storageOf(target);
  const token = storage?.getItem(NAME) ?? undefined;
  const state = signal<TokenState>("enough");
  return {
    token,
    state,
    unauthorized() {
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
