/** The values that an aggregate can have. */
export interface ValueDomain {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
  readonly texts: boolean;
}

export const ANY_NUMBER: ValueDomain = {
  min: Number.NEGATIVE_INFINITY,
  max: Number.POSITIVE_INFINITY,
  whole: false,
  texts: false,
};
export const NOT_NEGATIVE: ValueDomain = { ...ANY_NUMBER, min: 0 };
export const WHOLE: ValueDomain = { ...NOT_NEGATIVE, whole: true };
