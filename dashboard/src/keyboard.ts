/** What keys do, apart from where they lead. */
export interface KeyActions {
  help(): void;
  theme(): void;
  zone(): void;
}

const PLACES: Readonly<Record<string, string>> = {
  o: "#/",
  d: "#/devices",
  a: "#/alerts",
  r: "#/rules",
  p: "#/pipeline",
};
/** `g` and the letter behind it. */
const CHORD_MS = 1_200;
const BACK: readonly (readonly [RegExp, string])[] = [
  [/^#\/device\//, "#/devices"],
  [/^#\/alerts\//, "#/alerts"],
  [/^#\/rules\//, "#/rules"],
  [/^#\/dead-letters\//, "#/pipeline"],
];

/** Listens to the keys of the whole page; returns how to stop. Whoever types into a field is left alone. */
export function listenToKeys(target: Window, actions: KeyActions): () => void {
  let chordAtMs = Number.NEGATIVE_INFINITY;

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { document, location } = target;
    if (document.querySelector("dialog[open]") !== null) return;
    if (isField(document.activeElement)) {
      if (event.key === "Escape" && document.activeElement instanceof HTMLElement) document.activeElement.blur();
      return;
    }
    const chord = event.timeStamp - chordAtMs < CHORD_MS;
    chordAtMs = Number.NEGATIVE_INFINITY;
    const place = chord ? PLACES[event.key] : undefined;
    if (place !== undefined) location.hash = place;
    else if (event.key === "g") chordAtMs = event.timeStamp;
    else if (event.key === "/") focusSearch(document);
    else if (event.key === "j") step(document, 1);
    else if (event.key === "k") step(document, -1);
    else if (event.key === "?") actions.help();
    else if (event.key === "t") actions.theme();
    else if (event.key === "z") actions.zone();
    else if (event.key === "Escape") goBack(location);
    else return;
    event.preventDefault();
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

/** Moves the focus among the rows of the screen; the first step goes to the first row that is in sight. */
function step(document: Document, by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const inSight = rows.findIndex((row) => row.getBoundingClientRect().top >= 64);
  const next = rows[now === -1 ? Math.max(inSight, 0) : now + by];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

function goBack(location: Location): void {
  const place = BACK.find(([pattern]) => pattern.test(location.hash))?.[1];
  if (place !== undefined) location.hash = place;
}
