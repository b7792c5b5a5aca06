import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { printing } from "../lib/printing.ts";

/** The number of rows rendered beyond either edge of the window, so that fast scrolling and j/k find them. */
const OVERSCAN = 8;
/** More would take a hundred sheets. */
const PRINTED_MAX = 500;

/** A long list of rows of equal height. Renders only the rows near the window. */
export function VirtualList<Item>(props: {
  readonly items: readonly Item[];
  readonly rowHeight: number;
  readonly label: string;
  readonly keyOf: (item: Item) => string;
  readonly children: (item: Item) => ComponentChildren;
}): JSX.Element {
  const { items, rowHeight, label, keyOf, children } = props;
  const list = useRef<HTMLUListElement>(null);
  const [range, setRange] = useState<readonly [number, number]>([0, 24]);
  useLayoutEffect(() => {
    function update(): void {
      const top = list.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / rowHeight) - OVERSCAN);
      const end = first + Math.ceil(innerHeight / rowHeight) + 2 * OVERSCAN;
      // The browser reports every pixel of scrolling, so an equal range must not render.
      setRange((before) => (before[0] === first && before[1] === end ? before : [first, end]));
    }
    update();
    addEventListener("scroll", update, { passive: true });
    addEventListener("resize", update);
    return () => {
      removeEventListener("scroll", update);
      removeEventListener("resize", update);
    };
  }, [rowHeight, items.length]);
  const [first, end] = printing.value ? [0, PRINTED_MAX] : range;
  const height = printing.value ? Math.min(items.length, PRINTED_MAX) * rowHeight : items.length * rowHeight;
  return (
    <ul class="virtual" ref={list} aria-label={label} style={{ height: `${height}px` }}>
      {items.slice(first, end).map((item, index) => (
        <li
          key={keyOf(item)}
          aria-setsize={items.length}
          aria-posinset={first + index + 1}
          style={{ transform: `translateY(${(first + index) * rowHeight}px)`, height: `${rowHeight}px` }}
        >
          {children(item)}
        </li>
      ))}
    </ul>
  );
}
