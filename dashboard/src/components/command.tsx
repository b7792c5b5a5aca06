import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

const COPIED_MS = 3_000;

/** A text to copy, as a command or a piece of a file. */
export function Command({ text }: { readonly text: string }): JSX.Element {
  const copied = useSignal(false);
  async function copy(): Promise<void> {
    // Only secure pages have a clipboard. The text can be selected everywhere.
    await navigator.clipboard.writeText(text);
    copied.value = true;
    setTimeout(() => (copied.value = false), COPIED_MS);
  }
  return (
    <div class="command">
      <pre>
        <code>{text}</code>
      </pre>
      {"clipboard" in navigator && (
        <button type="button" class="more" onClick={() => void copy().catch(() => {})}>
          {copied.value ? "Copied" : "Copy"}
        </button>
      )}
    </div>
  );
}
