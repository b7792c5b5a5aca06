import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

const MARGIN = "300px 0px";
const listeners = new WeakMap<Element, (visible: boolean) => void>();
let observer: IntersectionObserver | undefined;

/** Whether an element is on the screen or close to it. One observer serves all elements. */
export function useVisible(ref: RefObject<Element>): boolean {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    observer ??= new IntersectionObserver(notify, { rootMargin: MARGIN });
    listeners.set(element, setVisible);
    observer.observe(element);
    return () => {
      observer?.unobserve(element);
      listeners.delete(element);
    };
  }, [ref]);
  return visible;
}

function notify(entries: readonly IntersectionObserverEntry[]): void {
  for (const entry of entries) listeners.get(entry.target)?.(entry.isIntersecting);
}
