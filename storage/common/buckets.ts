import type { SeriesQuery } from "../../contracts/history.ts";

/** Bucket width in whole microseconds, so that at most `pointsMax` buckets cover the range. */
export function bucketWidthUs(query: SeriesQuery): number {
  return Math.max(1, Math.ceil((query.toUs - query.fromUs) / query.pointsMax));
}
