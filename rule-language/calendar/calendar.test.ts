import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { type ActiveSpec, activeSchema } from "./active-spec.ts";
import { Calendar } from "./calendar.ts";

const HOUR_US = 3_600e6;

function calendarOf(spec: unknown): Calendar {
  return new Calendar(activeSchema.parse(spec));
}

/** Follows docs/windows.md, from the local time of a single instant. */
function isActiveByHand(spec: ActiveSpec, atUs: number): boolean {
  const names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
  return [spec].flat().some(({ days, hours, zone, except }) => {
    const local = Temporal.Instant.fromEpochMilliseconds(Math.floor(atUs / 1_000))
      .toZonedDateTimeISO(zone)
      .toPlainDateTime();
    const minutes = local.hour * 60 + local.minute;
    const isDay = (date: Temporal.PlainDate) => {
      const isNamed = (days ?? names).some((range) => {
        const [from = "", until = from] = range.split("-");
        const all = [...names, ...names];
        const start = all.indexOf(from);
        return all.slice(start, all.indexOf(until, start) + 1).includes(names[date.dayOfWeek - 1] ?? "");
      });
      const text = date.toString();
      return isNamed && !(except ?? []).some((one) => one === text || one === text.slice(5));
    };
    const date = local.toPlainDate();
    return (hours ?? ["00:00-24:00"]).some((range) => {
      const [from = 0, until = 0] = range
        .split("-")
        .map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)));
      if (from < until) return isDay(date) && minutes >= from && minutes < until;
      return (isDay(date) && minutes >= from) || (isDay(date.subtract({ days: 1 })) && minutes < until);
    });
  });
}

const utc = (text: string) => Date.parse(text) * 1_000;

describe("days and hours", () => {
  const work = calendarOf({
    days: ["mon-fri"],
    hours: ["07:00-18:00"],
    zone: "Europe/Berlin",
    except: ["12-25", "2026-04-03"],
  });
  test.each([
    ["before it begins", "2026-07-06T04:59:59.999Z", false],
    ["when it begins, in summer", "2026-07-06T05:00:00Z", true],
    ["when it begins, in winter", "2026-01-05T06:00:00Z", true],
    ["just before it ends", "2026-07-06T15:59:59.999Z", true],
    ["when it ends", "2026-07-06T16:00:00Z", false],
    ["on a Saturday", "2026-07-04T10:00:00Z", false],
    ["on an excepted day of each year", "2025-12-25T10:00:00Z", false],
    ["on an excepted day of one year", "2026-04-03T10:00:00Z", false],
    ["on that day of another year", "2025-04-03T10:00:00Z", true],
  ])("%s", (_, at, expected) => {
    expect(work.isActive(utc(at))).toBe(expected);
  });

  test("a night belongs to the day on which it begins, also for exceptions", () => {
    const night = calendarOf({ days: ["fri"], hours: ["22:00-06:00"], except: ["2026-07-10"] });
    expect(night.isActive(utc("2026-07-03T23:00:00Z"))).toBe(true);
    expect(night.isActive(utc("2026-07-04T05:59:59Z"))).toBe(true);
    expect(night.isActive(utc("2026-07-04T06:00:00Z"))).toBe(false);
    expect(night.isActive(utc("2026-07-03T05:00:00Z"))).toBe(false);
    expect(night.isActive(utc("2026-07-11T05:00:00Z"))).toBe(false);
    const saturdayOff = calendarOf({ days: ["fri"], hours: ["22:00-06:00"], except: ["2026-07-11"] });
    expect(saturdayOff.isActive(utc("2026-07-11T05:00:00Z"))).toBe(true);
  });

  test("a list is active when any of its parts is", () => {
    const any = calendarOf([{ days: ["sat-sun"] }, { hours: ["22:00-06:00"] }]);
    expect(
      ["2026-07-04T12:00:00Z", "2026-07-06T23:00:00Z", "2026-07-06T12:00:00Z"].map((at) => any.isActive(utc(at))),
    ).toEqual([true, true, false]);
  });

  test("consecutive whole days are one stretch", () => {
    const weekend = calendarOf({ days: ["sat-sun"] });
    expect([...weekend.stretches(utc("2026-07-01T00:00:00Z"), utc("2026-07-12T00:00:00Z"))]).toEqual([
      { fromUs: utc("2026-07-04T00:00:00Z"), untilUs: utc("2026-07-06T00:00:00Z") },
      { fromUs: utc("2026-07-11T00:00:00Z"), untilUs: utc("2026-07-12T00:00:00Z") },
    ]);
  });
});

describe("clock changes", () => {
  test.each([
    ["an hour that is skipped in spring", "Europe/Berlin", "02:00-03:00", "2026-03-29", 0],
    ["an hour that is repeated in autumn", "Europe/Berlin", "02:00-03:00", "2026-10-25", 2],
    ["a day around it in spring", "Europe/Berlin", "00:00-24:00", "2026-03-29", 23],
    ["a day around it in autumn", "Europe/Berlin", "00:00-24:00", "2026-10-25", 25],
    ["a night in spring, of the day before", "America/New_York", "22:00-06:00", "2026-03-07", 7],
    ["a night in autumn, of the day before", "America/New_York", "22:00-06:00", "2026-10-31", 9],
    ["Lord Howe's half hour in autumn", "Australia/Lord_Howe", "01:00-03:00", "2026-04-05", 2.5],
    ["Lord Howe's half hour in spring", "Australia/Lord_Howe", "01:00-03:00", "2026-10-04", 1.5],
    ["half of the repeated hour", "Europe/Berlin", "02:30-03:30", "2026-10-25", 1.5],
  ])("%s", (_, zone, hours, date, expected) => {
    const others = Array.from({ length: 9 }, (_, i) =>
      Temporal.PlainDate.from(date)
        .add({ days: i - 4 })
        .toString(),
    );
    const calendar = calendarOf({ zone, hours: [hours], except: others.filter((other) => other !== date) });
    const noon = utc(`${date}T12:00:00Z`);
    expect(calendar.activeUs(noon - 40 * HOUR_US, noon + 40 * HOUR_US) / HOUR_US).toBe(expected);
  });
});

const time = fc
  .tuple(fc.nat({ max: 23 }), fc.constantFrom("00", "15", "30"))
  .map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${minute}`);
const hourRange = fc
  .tuple(time, fc.oneof(time, fc.constant("24:00")))
  .filter(([a, b]) => a !== b)
  .map((both) => both.join("-"));
const dayRange = fc.constantFrom("mon", "wed", "sun", "mon-fri", "fri-mon", "sat-sun", "thu-wed");
const zones = fc.constantFrom(
  "UTC",
  "Europe/Berlin",
  "Australia/Lord_Howe",
  "America/St_Johns",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "Africa/Casablanca",
);
const part = fc.record(
  {
    days: fc.array(dayRange, { minLength: 1, maxLength: 2 }),
    hours: fc.array(hourRange, { minLength: 1, maxLength: 3 }),
    except: fc.array(fc.constantFrom("03-29", "10-25", "2026-04-05", "2026-10-04", "12-31", "02-29"), {
      minLength: 1,
      maxLength: 3,
    }),
    zone: zones,
  },
  { requiredKeys: ["hours", "zone"] },
);
const specs = fc.oneof(part, fc.array(part, { minLength: 1, maxLength: 3 })).map((spec) => activeSchema.parse(spec));
/** Instants near clock changes, near chunk bounds, and anywhere else. */
const instants = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        "2026-03-29T01:00Z",
        "2026-10-25T01:00Z",
        "2026-04-04T15:00Z",
        "2026-10-03T15:30Z",
        "2011-12-30T10:00Z",
      ),
      fc.integer({ min: -200, max: 200 }),
    )
    .map(([at, quarters]) => utc(at) + quarters * (HOUR_US / 4)),
  fc.integer({ min: 0, max: 4_000_000 }).map((quarters) => quarters * (HOUR_US / 4)),
  fc.integer({ min: -3e14, max: 3e15 }),
);

test("is active by the local clock", () => {
  fc.assert(
    fc.property(specs, fc.array(instants, { minLength: 1, maxLength: 20 }), (spec, all) => {
      const calendar = new Calendar(spec);
      for (const atUs of all.flatMap((one) => [one, one - 1])) {
        expect([atUs, calendar.isActive(atUs)]).toEqual([atUs, isActiveByHand(spec, atUs)]);
      }
    }),
    { numRuns: 100 },
  );
});

test("active time adds up, and `after` is its inverse", () => {
  fc.assert(
    fc.property(specs, instants, fc.nat({ max: 3_000 }), (spec, fromUs, quarters) => {
      const calendar = new Calendar(spec);
      const untilUs = fromUs + quarters * (HOUR_US / 4);
      const activeUs = calendar.activeUs(fromUs, untilUs);
      let sum = 0;
      for (const stretch of calendar.stretches(fromUs, untilUs)) {
        expect(calendar.isActive(stretch.fromUs) && calendar.isActive(stretch.untilUs - 1)).toBe(true);
        sum += stretch.untilUs - stretch.fromUs;
      }
      expect(sum).toBe(activeUs);
      if (activeUs === 0) return;
      const dueUs = calendar.after(fromUs, activeUs);
      expect(dueUs).toBeLessThanOrEqual(untilUs);
      expect(calendar.activeUs(fromUs, dueUs)).toBe(activeUs);
      expect(calendar.isActive(dueUs - 1)).toBe(true);
      expect(calendar.after(fromUs, activeUs + 1)).toBeGreaterThan(untilUs);
    }),
    { numRuns: 100 },
  );
});

test("an instant more than ten years ahead is never due", () => {
  const newYear = calendarOf({ days: ["mon"], hours: ["00:00-00:30"] });
  const from = utc("2026-01-01T00:00:00Z");
  const weeks = Math.floor(3_653 / 7);
  const inTime = newYear.after(from, weeks * 0.5 * HOUR_US);
  expect(inTime).toBeGreaterThan(from + 3_640 * 24 * HOUR_US);
  expect(newYear.after(from, (weeks + 2) * 0.5 * HOUR_US)).toBe(Number.POSITIVE_INFINITY);
});

test("a calendar without active time is never due", () => {
  const days = Array.from({ length: 366 }, (_, i) =>
    Temporal.PlainDate.from("2024-01-01").add({ days: i }).toString().slice(5),
  );
  const never = calendarOf({ except: days });
  expect(never.after(utc("2026-01-01T00:00:00Z"), 1)).toBe(Number.POSITIVE_INFINITY);
  expect([...never.stretches(utc("2026-01-01T00:00:00Z"), utc("2027-01-01T00:00:00Z"))]).toEqual([]);
});
