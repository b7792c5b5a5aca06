import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { usePage } from "../app/page.ts";
import { Logo } from "../components/icons.tsx";

/** Asks for a token, and keeps it while this tab is open. */
export function LoginScreen(): JSX.Element {
  const { session } = usePage();
  const token = useSignal("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <main class="login" aria-label="Log in">
      <form
        class="order"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.value.trim() !== "") session.show(token.value.trim());
        }}
      >
        <Logo />
        <h1>Weir</h1>
        <p role="alert">
          {session.state.value === "refused"
            ? "The gateway does not know this token. It may have been replaced."
            : "This gateway requires a token."}
        </p>
        <label>
          Token
          <input
            ref={field}
            type="password"
            name="token"
            autocomplete="current-password"
            required
            onInput={(event) => {
              token.value = event.currentTarget.value;
            }}
          />
        </label>
        <button type="submit" class="order-button">
          Log in
        </button>
        <p class="order-hint">
          The token is kept until you close this tab. Ask the person who runs the gateway for one.
        </p>
      </form>
    </main>
  );
}
