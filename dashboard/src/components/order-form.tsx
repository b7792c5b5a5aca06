import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";

/** A short form for an order to the gateway. It asks for a name, sends once and shows the gateway's error. */
export function OrderForm(props: {
  readonly title: string;
  readonly button: string;
  readonly children?: ComponentChildren;
  /** Rejects with an error for people. */
  send(form: FormData, by: string): Promise<void>;
}): JSX.Element {
  const { settings } = usePage();
  const state = useSignal<"idle" | "sending" | "sent">("idle");
  const problem = useSignal<string | undefined>(undefined);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (state.value === "sending" || !(event.currentTarget instanceof HTMLFormElement)) return;
    const form = new FormData(event.currentTarget);
    const by = String(form.get("by") ?? "").trim();
    settings.setWho(by);
    state.value = "sending";
    problem.value = undefined;
    try {
      await props.send(form, by);
      state.value = "sent";
    } catch (error) {
      problem.value = wordsOf(error);
      state.value = "idle";
    }
  }
  return (
    <form class="order" aria-label={props.title} onSubmit={(event) => void submit(event)}>
      <h3>{props.title}</h3>
      <label>
        Your name
        {/* A default, not a value: rendering again must not undo what a person types. */}
        <input name="by" required maxLength={150} defaultValue={settings.who.peek()} autocomplete="name" />
      </label>
      {props.children}
      <button type="submit" class="order-button" disabled={state.value === "sending"}>
        {props.button}
      </button>
      <p class="order-problem" role="alert">
        {problem.value ?? ""}
      </p>
    </form>
  );
}
