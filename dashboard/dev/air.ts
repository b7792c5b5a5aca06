/** Made-up air quality at twelve stations in Beijing, not recorded data. Smooth, seeded, and computed for any hour. */
export const STATIONS = [
  ["Aotizhongxin", "urban"],
  ["Changping", "north"],
  ["Dingling", "north"],
  ["Dongsi", "urban"],
  ["Guanyuan", "urban"],
  ["Gucheng", "west"],
  ["Huairou", "north"],
  ["Nongzhanguan", "urban"],
  ["Shunyi", "east"],
  ["Tiantan", "urban"],
  ["Wanliu", "west"],
  ["Wanshouxigong", "urban"],
] as const;

export const METRICS = [
  "PM2.5",
  "PM10",
  "SO2",
  "NO2",
  "CO",
  "O3",
  "TEMP",
  "PRES",
  "DEWP",
  "RAIN",
  "WSPM",
  "wd",
] as const;
export type Metric = (typeof METRICS)[number];

const WINDS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"];

/** A metric's value at a whole hour since the epoch. Each station has its own `seed`. */
export function airAt(metric: Metric, hour: number, seed: number): number | string {
  const day = Math.sin(((hour % 24) - 9) * (Math.PI / 12));
  const weather = wander(hour / 40, 7);
  const local = wander(hour / 9, seed);
  const smog = Math.max(4, 78 + 95 * weather + 34 * local - 10 * day + 9 * wander(hour / 1.7, seed + 50));
  switch (metric) {
    case "PM2.5":
      return Math.round(smog);
    case "PM10":
      return Math.round(smog * 1.25 + 14 + 20 * Math.abs(wander(hour / 5, seed + 11)));
    case "SO2":
      return Math.round(Math.max(2, 12 + smog * 0.12 + 6 * local));
    case "NO2":
      return Math.round(Math.max(4, 38 + smog * 0.18 - 14 * day + 8 * local));
    case "CO":
      return Math.round(Math.max(200, smog * 11 + 260 + 120 * local) / 100) * 100;
    case "O3":
      return Math.round(Math.max(2, 58 + 58 * day + 16 * local - 14 * weather));
    case "TEMP":
      return round(14 + 7.5 * day - 4 * weather + 1.5 * local, 1);
    case "PRES":
      return round(1014 + 6 * wander(hour / 60, 3) + 0.6 * local, 1);
    case "DEWP":
      return round(2 + 8 * weather + 2 * local, 1);
    case "RAIN":
      return round(Math.max(0, wander(hour / 14, 91) * 3 - 1.4 + 0.5 * local), 1);
    case "WSPM":
      return round(Math.max(0.1, 1.9 + 0.9 * day - 1.3 * weather + 0.6 * local), 1);
    case "wd":
      return WINDS[Math.floor(((wander(hour / 16, seed + 5) + 1) / 2) * 15.99)] ?? "N";
  }
}

/** Smooth noise between -1 and 1: hashed values at whole numbers, eased between. */
function wander(at: number, seed: number): number {
  const whole = Math.floor(at);
  const part = at - whole;
  const ease = part * part * (3 - 2 * part);
  return hash(whole, seed) * (1 - ease) + hash(whole + 1, seed) * ease;
}

function hash(n: number, seed: number): number {
  let h = Math.imul(n ^ Math.imul(seed + 1, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
