import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

type Shortcut = readonly [keys: string, words: string];

const BEFORE_PLACES: readonly Shortcut[] = [
  ["/", "search"],
  ["j  k", "next, previous"],
  ["Enter", "open"],
];
const AFTER_PLACES: readonly Shortcut[] = [
  ["t", "light or dark theme"],
  ["z", "local time or UTC"],
  ["Esc", "close, go back"],
  ["?", "this help"],
];

/** The keyboard shortcuts, over the page. The browser's own dialog keeps the focus and closes with Esc. */
export function Help(props: { readonly places: readonly Shortcut[]; onClose(): void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog class="help" ref={dialog} aria-labelledby="help-title" onClose={props.onClose}>
      <h2 id="help-title">Keyboard shortcuts</h2>
      <dl>
        {[...BEFORE_PLACES, ...props.places, ...AFTER_PLACES].map(([key, words]) => (
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
        To show a screen on a wall, add <code>?kiosk=1</code> to its address, before the #.
      </p>
      <button type="button" class="order-button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}
