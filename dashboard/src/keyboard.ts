export interface KeyActions {
  /** The addresses that `g` and a key lead to. */
  readonly places: ReadonlyMap<string, string>;
  /** Where Esc leads from the current screen. */
  parent(): string | undefined;
  help(): void;
  theme(): void;
  zone(): void;
}

/** The longest time between `g` and the next key. */
const CHORD_MS = 1_200;

/** Handles the keys of the whole page, except those typed into a field. Returns a function that stops it. */
export function listenToKeys(target: Window, actions: KeyActions): () => void {
  let chordAtMs = Number.NEGATIVE_INFINITY;

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { document } = target;
    if (document.querySelector("dialog[open]") !== null) return;
    if (isField(document.activeElement)) {
      if (event.key === "Escape" && document.activeElement instanceof HTMLElement) document.activeElement.blur();
      return;
    }
    const chord = event.timeStamp - chordAtMs < CHORD_MS;
    chordAtMs = Number.NEGATIVE_INFINITY;
    const place = chord ? actions.places.get(event.key) : undefined;
    if (place !== undefined) goTo(place);
    else if (event.key === "g") chordAtMs = event.timeStamp;
    else if (event.key === "/") focusSearch(document);
    else if (event.key === "j") step(document, 1);
    else if (event.key === "k") step(document, -1);
    else if (event.key === "?") actions.help();
    else if (event.key === "t") actions.theme();
    else if (event.key === "z") actions.zone();
    else if (event.key === "Escape") goTo(actions.parent());
    else return;
    event.preventDefault();
  }

  function goTo(place: string | undefined): void {
    if (place !== undefined) target.location.hash = place;
  }

  target.addEventListener("keydown", onKey);
  return () => target.removeEventListener("keydown", onKey);
}

function isField(element: Element | null): boolean {
  return (
    element instanceof HTMLInputElement ||
    element instanceof HTMLSelectElement ||
    element instanceof HTMLTextAreaElement
  );
}

function focusSearch(document: Document): void {
  const field = document.querySelector<HTMLInputElement>("main input[type=search]");
  field?.focus();
  field?.select();
}

/** Moves the focus among the rows of the screen. The first step goes to the first visible row. */
function step(document: Document, by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const visible = rows.findIndex((row) => row.getBoundingClientRect().top >= 64);
  const next = rows[now === -1 ? Math.max(visible, 0) : now + by];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}
