import type { JSX } from "preact";
import { Search } from "./icons.tsx";

/** `/` moves the focus here. The owner applies each letter at once, and rendering again must not undo it. */
export function SearchField(props: {
  readonly label: string;
  readonly value: string;
  onInput(value: string): void;
}): JSX.Element {
  return (
    <label class="field search">
      <Search />
      <span class="visually-hidden">{props.label}</span>
      <input
        type="search"
        placeholder={props.label}
        title="Press / to search. * and ? are wildcards."
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </label>
  );
}
