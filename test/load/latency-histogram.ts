const BUCKETS_PER_DOUBLING = 32;
const DOUBLINGS = 24;

/**
 * Counts latencies in buckets about 3 % wide, from 1 us to 16 s: exact enough for percentiles, without memory per
 * sample.
 */
export class LatencyHistogram {
  private readonly counts = new Float64Array(BUCKETS_PER_DOUBLING * DOUBLINGS + 1);
  private samples = 0;
  private maxUs = 0;

  add(latencyUs: number): void {
    const bucket = latencyUs <= 1 ? 0 : Math.floor(Math.log2(latencyUs) * BUCKETS_PER_DOUBLING);
    const index = Math.min(bucket, this.counts.length - 1);
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.samples++;
    if (latencyUs > this.maxUs) this.maxUs = latencyUs;
  }

  /** The upper edge of the bucket that holds this share (0 to 1) of the samples; 0 without samples. */
  percentileUs(share: number): number {
    let wanted = Math.ceil(share * this.samples);
    if (this.samples === 0) return 0;
    for (let i = 0; i < this.counts.length; i++) {
      wanted -= this.counts[i] ?? 0;
      if (wanted <= 0) return Math.min(2 ** ((i + 1) / BUCKETS_PER_DOUBLING), this.maxUs);
    }
    return this.maxUs;
  }

  summary(): LatencySummary {
    const ms = (us: number) => Math.round(us) / 1000;
    return {
      p50Ms: ms(this.percentileUs(0.5)),
      p90Ms: ms(this.percentileUs(0.9)),
      p99Ms: ms(this.percentileUs(0.99)),
      p999Ms: ms(this.percentileUs(0.999)),
      maxMs: ms(this.maxUs),
    };
  }
}

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}
