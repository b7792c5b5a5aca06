/** Why data of one schema, the writer's, cannot be read with another, the reader's. */
export interface Mismatch {
  /** The field, with the names of those around it; "" for the whole. */
  readonly path: string;
  readonly detail: string;
}
