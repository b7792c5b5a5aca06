import type { JSX } from "preact";
import { Search } from "./icons.tsx";

/** Where `/` leads. The owner takes in what is typed at once: drawing again must not undo it. */
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
        title="Press / to come here"
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </label>
  );
}
