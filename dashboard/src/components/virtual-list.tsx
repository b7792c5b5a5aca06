import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows kept beyond either edge of the window, so that quick scrolling and j/k find them drawn. */
const OVERSCAN = 8;

/** A long list of rows of one height, of which only those near the window exist. */
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
    function look(): void {
      const top = list.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / rowHeight) - OVERSCAN);
      const end = first + Math.ceil(innerHeight / rowHeight) + 2 * OVERSCAN;
      // The same range is no reason to draw: scrolling tells of every pixel.
      setRange((before) => (before[0] === first && before[1] === end ? before : [first, end]));
    }
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [rowHeight, items.length]);
  const [first, end] = range;
  return (
    <ul class="virtual" ref={list} aria-label={label} style={{ height: `${items.length * rowHeight}px` }}>
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
