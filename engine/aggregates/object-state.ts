/**
 * State of a window that does not fit a few numbers. Its value depends on the readings only, not on how windows were
 * merged.
 */
export interface ObjectState {
  /** `text`: for a reading that is a text, with any value. */
  add(atUs: number, value: number, text: string | undefined): void;
  /** Adds the readings of another window, which are later ones. */
  merge(other: this): void;
  /** Can be cloned, and does not change afterwards. Stored in checkpoints. */
  snapshot(): unknown;
}
