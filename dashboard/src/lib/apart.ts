/**
 * Runs tasks in frames in which nothing else changes; waits one frame at most. ADR 16: a browser without a GPU copies
 * everything between the first and the last change of a frame, and the clock in the header is far from the last
 * chart.
 */
export function framesApart(
  request: (run: () => void) => void,
  changes: { readonly elsewhere: () => number },
): (run: () => void) => void {
  return (run) => {
    const before = changes.elsewhere();
    request(() => {
      if (changes.elsewhere() === before) run();
      else request(run);
    });
  };
}

/** Counts the page's changes outside the elements that match a selector. */
export function countChanges(document: Document, inside: string): { readonly elsewhere: () => number } {
  let count = 0;
  const observer = new MutationObserver((records) => {
    count += records.filter(({ target }) => elementOf(target)?.closest(inside) === null).length;
  });
  observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  return { elsewhere: () => count };
}

function elementOf(node: Node): Element | null {
  return node instanceof Element ? node : node.parentElement;
}
