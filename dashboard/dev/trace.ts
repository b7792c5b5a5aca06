import type { Session } from "./devtools.ts";

/** Enough for a minute of the categories below. */
const BUFFER_KB = 500 * 1024;
const CATEGORIES = [
  "devtools.timeline",
  "disabled-by-default-devtools.timeline",
  "disabled-by-default-devtools.timeline.frame",
];
const SLOW_MS = 50;

/** The members of Chromium's trace events that are used here. Times are microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts: number;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  /** The part of `dur` in which the thread ran. In the rest it waited for a processor. */
  readonly tdur?: number;
  readonly id?: string;
  readonly id2?: { readonly local?: string };
  readonly args?: { readonly name?: string };
}

/** The work of the main thread, grouped as in Chromium's own timeline. */
const WORK = {
  script: ["EvaluateScript", "v8.compile", "FunctionCall", "TimerFire", "FireAnimationFrame", "RunMicrotasks"],
  garbage: ["MinorGC", "MajorGC"],
  style: ["UpdateLayoutTree", "ParseAuthorStyleSheet"],
  layout: ["Layout"],
  paint: ["PrePaint", "Paint", "Layerize"],
  // Without a GPU, canvases are rasterized here.
  commit: ["Commit"],
} as const;
type Work = keyof typeof WORK | "other";

const WORK_OF = new Map<string, Work>(
  (Object.keys(WORK) as (keyof typeof WORK)[]).flatMap((work) => WORK[work].map((name) => [name, work] as const)),
);

export interface Durations {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly over50: number;
}

export interface TraceReport {
  readonly seconds: number;
  /** Tasks of the page's main thread, by the wall clock and by their processor time. */
  readonly tasks: Durations;
  readonly tasksCpu: Durations;
  /** Frames of the main thread, from their first task to their commit. */
  readonly frames: Durations;
  /** Pictures that the compositor drew, per second. */
  readonly drawn: number;
  /** Processor time in milliseconds per second. */
  readonly work: Readonly<Record<Work, number>>;
  readonly main: number;
  readonly compositor: number;
  readonly raster: number;
  /** The display compositor: without a GPU it copies each pixel that changed. */
  readonly display: number;
}

/** Records a trace of all processes of Chromium while `during` runs. */
export async function recordTrace(browser: Session, during: () => Promise<void>): Promise<TraceReport> {
  const events: TraceEvent[] = [];
  const onData = ({ value }: Readonly<Record<string, unknown>>) => {
    for (const event of value as readonly TraceEvent[]) events.push(event);
  };
  browser.on("Tracing.dataCollected", onData);
  await browser.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: {
      recordMode: "recordUntilFull",
      traceBufferSizeInKb: BUFFER_KB,
      includedCategories: CATEGORIES,
      excludedCategories: ["*"],
    },
  });
  const startedMs = performance.now();
  await during();
  const seconds = (performance.now() - startedMs) / 1000;
  const complete = new Promise<boolean>((resolve) => {
    const onComplete = ({ dataLossOccurred }: Readonly<Record<string, unknown>>) => {
      browser.off("Tracing.tracingComplete", onComplete);
      resolve(dataLossOccurred === true);
    };
    browser.on("Tracing.tracingComplete", onComplete);
  });
  await browser.send("Tracing.end");
  const lost = await complete;
  browser.off("Tracing.dataCollected", onData);
  if (lost) throw new Error(`the trace of ${Math.round(seconds)} s outgrew its buffer: trace fewer seconds`);
  return readTrace(events, seconds);
}

export function readTrace(events: readonly TraceEvent[], seconds: number): TraceReport {
  const threads = new Map<string, string>();
  for (const event of events) {
    if (event.ph === "M" && event.name === "thread_name") threads.set(threadOf(event), event.args?.name ?? "");
  }
  const main = busiest(events, (event) => threads.get(threadOf(event)) === "CrRendererMain");
  if (main === undefined) throw new Error("the trace contains no page");
  const ofMain = events.filter((event) => threadOf(event) === main);
  const pagePid = ofMain[0]?.pid;
  const tasks = ofMain.filter((event) => event.name === "RunTask" && event.ph === "X");
  const perSecond = (found: readonly TraceEvent[]) => sum(found.map(cpuMs)) / seconds;
  const tasksOf = (name: string) =>
    events.filter((event) => event.name === "RunTask" && (threads.get(threadOf(event)) ?? "").startsWith(name));
  return {
    seconds,
    tasks: durations(tasks.map(({ dur = 0 }) => dur / 1000)),
    tasksCpu: durations(tasks.map(cpuMs)),
    frames: durations(pairs(ofMain.filter(({ name }) => name === "AnimationFrame"))),
    drawn: events.filter(({ name, pid }) => name === "DrawFrame" && pid === pagePid).length / seconds,
    work: workOf(ofMain, seconds),
    main: perSecond(tasks),
    compositor: perSecond(tasksOf("Compositor").filter(({ pid }) => pid === pagePid)),
    raster: perSecond(events.filter(({ name, pid }) => name === "RasterTask" && pid === pagePid)),
    display: perSecond(tasksOf("VizCompositor")),
  };
}

export function durations(ms: readonly number[]): Durations {
  const sorted = [...ms].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  // The display's interval is not a whole number of milliseconds, so three intervals are not "over 50".
  return { count: ms.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), over50: ms.filter(isSlow).length };
}

function isSlow(ms: number): boolean {
  return ms > SLOW_MS + 0.1;
}

/** Counts each event without the events inside it. */
function workOf(events: readonly TraceEvent[], seconds: number): Readonly<Record<Work, number>> {
  const totals: Record<Work, number> = { script: 0, garbage: 0, style: 0, layout: 0, paint: 0, commit: 0, other: 0 };
  const open: { readonly endUs: number; readonly work: Work }[] = [];
  const whole = events.filter(({ ph }) => ph === "X").sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
  for (const event of whole) {
    while (open.length > 0 && (open.at(-1)?.endUs ?? 0) <= event.ts) open.pop();
    const around = open.at(-1)?.work;
    const work = WORK_OF.get(event.name) ?? around ?? "other";
    totals[work] += cpuMs(event) / seconds;
    if (around !== undefined) totals[around] -= cpuMs(event) / seconds;
    open.push({ endUs: event.ts + (event.dur ?? 0), work });
  }
  return totals;
}

/** Milliseconds between the begin and end events of each id. */
function pairs(events: readonly TraceEvent[]): number[] {
  const begun = new Map<string, number>();
  const found: number[] = [];
  for (const event of events.toSorted((a, b) => a.ts - b.ts)) {
    const id = event.id ?? event.id2?.local ?? "";
    const beganUs = begun.get(id);
    if (event.ph === "b") begun.set(id, event.ts);
    else if (event.ph === "e" && beganUs !== undefined) {
      found.push((event.ts - beganUs) / 1000);
      begun.delete(id);
    }
  }
  return found;
}

function busiest(events: readonly TraceEvent[], wanted: (event: TraceEvent) => boolean): string | undefined {
  const totals = new Map<string, number>();
  for (const event of events) {
    if (event.name !== "RunTask" || !wanted(event)) continue;
    totals.set(threadOf(event), (totals.get(threadOf(event)) ?? 0) + cpuMs(event));
  }
  return [...totals].sort(([, a], [, b]) => b - a)[0]?.[0];
}

function threadOf({ pid, tid }: TraceEvent): string {
  return `${pid}/${tid}`;
}

function cpuMs({ tdur = 0 }: TraceEvent): number {
  return tdur / 1000;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
