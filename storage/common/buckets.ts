import type { SeriesQuery } from "../../contracts/history.ts";

/** Whole microseconds: at most `pointsMax` buckets cover the range. */
export function bucketWidthUs(query: SeriesQuery): number {
  return Math.max(1, Math.ceil((query.toUs - query.fromUs) / query.pointsMax));
}
