/**
 * State of a window that needs more than a few numbers. Its value depends only on the readings, not on how windows
 * were merged.
 */
export interface ObjectState {
  /** Pass `text` for a text; `value` is then ignored. */
  add(atUs: number, value: number, text: string | undefined): void;
  /** Merges another window's state. Its readings must be the later ones. */
  merge(other: this): void;
  /** A value that can be cloned and does not change afterwards. Stored in checkpoints. */
  snapshot(): unknown;
}
