import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "find"],
  ["j  k", "next, previous"],
  ["Enter", "open"],
  ["g o", "overview"],
  ["g d", "devices"],
  ["g a", "alerts"],
  ["g r", "rules"],
  ["g p", "pipeline"],
  ["t", "light or dark"],
  ["z", "local time or UTC"],
  ["Esc", "close, go back"],
  ["?", "this help"],
];

/** The keys, over the page. The dialog is the browser's own: it keeps the focus and closes with Esc. */
export function Help({ onClose }: { onClose(): void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog class="help" ref={dialog} aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {KEYS.map(([key, words]) => (
          <div key={key}>
            <dt>
              {key.split(/\s+/).map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <p class="order-hint">
        Add <code>?kiosk=1</code> before the # of any address for a screen on a wall.
      </p>
      <button type="button" class="order-button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}
