import { randomBytes } from "node:crypto";
import {
  type Acknowledgement,
  ALERTS_ACKNOWLEDGE,
  ALERTS_LIST,
  DELIVERIES_LIST,
  type Delivery,
  type NewSilence,
  type OpenAlert,
  type OpenAlertsQuery,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
  type Silence,
  type SilenceRemoval,
} from "../contracts/notifications.ts";
import type { Asked, Question } from "../contracts/question.ts";
import type { AlertChange } from "../domain/alert.ts";
import { acknowledgementSubject, silenceSubject } from "../domain/subjects.ts";
import { US_PER_DAY } from "../domain/time.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log/port.ts";
import type { NotifierEvents } from "./common/events.ts";
import type { LoggedChange } from "./common/logged-change.ts";
import { matches } from "./common/matchers.ts";
import type { LoggedAcknowledgement } from "./silences/acknowledgements.ts";
import type { LoggedSilence } from "./silences/silences.ts";
import type { NotifierState } from "./state/notifier-state.ts";

const SILENCES_MAX = 10_000;
const SILENCE_US_MAX = 365 * US_PER_DAY;

/** A request that cannot be fulfilled; the message gives the reason and the fix. */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
}

export interface RequestOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly state: NotifierState;
  readonly events: NotifierEvents;
  readonly deliveries: (incident: string) => Promise<Delivery[]>;
  /** A silence or an acknowledgement was added or removed. */
  readonly onChanged: () => void;
}

/**
 * Answers requests on the bus (`contracts/notifications.ts`): lists open alerts, deliveries and silences; adds and
 * removes silences; acknowledges incidents. The log stores each addition before the answer is sent. Returns a
 * function that stops it.
 */
export function answerRequests(options: RequestOptions): () => void {
  const { log, events, deliveries } = options;
  const { bus } = log;

  function respond<Ask, Arrived, Answer>(
    question: Question<Ask, Arrived, Answer>,
    answer: (request: Arrived) => Promise<Answer>,
  ): () => void {
    return bus.respond(question, answer, (error) => events.requestRefused(question.subject, error));
  }

  const stops = [
    respond(ALERTS_LIST, async (request) => openAlerts(options, request)),
    respond(ALERTS_ACKNOWLEDGE, (request) => acknowledge(options, request)),
    respond(DELIVERIES_LIST, ({ incident }) => deliveries(incident)),
    respond(SILENCES_LIST, async (request) => options.state.silences.list(options.clock.nowUs(), request)),
    respond(SILENCES_ADD, (request) => addSilence(options, request)),
    respond(SILENCES_REMOVE, (request) => removeSilence(options, request)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function openAlerts(options: RequestOptions, request: OpenAlertsQuery): OpenAlert[] {
  const { matchers = {}, marked, limit, after } = request;
  const nowUs = options.clock.nowUs();
  const open = options.state.openAlerts
    .changes()
    .filter(({ change }) => matches(matchers, change) && (after === undefined || byAge(change, after) > 0))
    .sort((a, b) => byAge(a.change, b.change));
  const page: OpenAlert[] = [];
  for (const logged of open) {
    if (page.length === limit) break;
    const alert = toOpenAlert(logged, options, nowUs);
    if (marked === undefined || isMarked(alert)) page.push(alert);
  }
  return page;
}

type Aged = Pick<AlertChange, "activeAtUs" | "incident">;

function byAge(a: Aged, b: Aged): number {
  if (a.activeAtUs !== b.activeAtUs) return a.activeAtUs - b.activeAtUs;
  return a.incident < b.incident ? -1 : a.incident > b.incident ? 1 : 0;
}

function isMarked({ acknowledgement, silencedBy, inhibitedBy }: OpenAlert): boolean {
  return acknowledgement !== undefined || silencedBy.length > 0 || inhibitedBy.length > 0;
}

function toOpenAlert({ alert, change }: LoggedChange, options: RequestOptions, nowUs: number): OpenAlert {
  const { acknowledgements, silences, inhibitions } = options.state;
  const { incident, rule, severity, state, key, labels, annotations, value, activeAtUs, atUs } = change;
  const acknowledgement = acknowledgements.get(alert, incident);
  return {
    ...{ incident, rule, severity, state, key, labels, annotations, value, activeAtUs, atUs },
    silencedBy: silences.matching(change, nowUs),
    inhibitedBy: inhibitions.inhibiting(change, nowUs),
    ...(acknowledgement && { acknowledgement }),
  };
}

async function acknowledge(
  options: RequestOptions,
  request: Asked<typeof ALERTS_ACKNOWLEDGE>,
): Promise<Acknowledgement> {
  const { log, clock, state, events, onChanged } = options;
  const { incident, by, note } = request;
  const open = state.openAlerts.incident(incident);
  if (open === undefined) {
    throw new BadRequestError(
      `incident ${incident} is not open: it has ended, or is misspelled; \`weir alerts list\` shows the open ones`,
    );
  }
  const acknowledgement = { incident, by, note, atUs: clock.nowUs() };
  const logged: LoggedAcknowledgement = { ...acknowledgement, alert: open.alert };
  await log.append({ subject: acknowledgementSubject(open.alert), payload: toBytes(logged) });
  state.acknowledgements.apply(logged);
  events.incidentAcknowledged(incident, by);
  onChanged();
  return acknowledgement;
}

async function addSilence(options: RequestOptions, request: NewSilence): Promise<Silence> {
  const { log, clock, events, onChanged } = options;
  const { silences } = options.state;
  const nowUs = clock.nowUs();
  const { fromUs = nowUs, untilUs, matchers, by, why } = request;
  if (untilUs <= nowUs) throw new BadRequestError("the silence would already have ended: choose an end in the future");
  if (untilUs <= fromUs) throw new BadRequestError("the silence would end before it begins");
  if (untilUs - nowUs > SILENCE_US_MAX) throw new BadRequestError("a silence must end within a year");
  if (silences.list(nowUs).length >= SILENCES_MAX) {
    throw new BadRequestError(`there are ${SILENCES_MAX} silences; remove one, or use a glob or a list in one silence`);
  }
  const id = `s-${randomBytes(5).toString("hex")}`;
  const silence: Silence = { id, matchers, fromUs, untilUs, by, why, createdAtUs: nowUs };
  await log.append({ subject: silenceSubject(id), payload: toBytes(silence) });
  silences.apply(silence, nowUs);
  events.silenceAdded(id, by);
  onChanged();
  return silence;
}

async function removeSilence(options: RequestOptions, request: SilenceRemoval): Promise<Silence> {
  const { log, clock, events, onChanged } = options;
  const { silences } = options.state;
  const nowUs = clock.nowUs();
  const silence = silences.get(request.id, nowUs);
  if (silence === undefined) {
    throw new BadRequestError(
      `there is no silence ${request.id}: it has ended, or is misspelled; \`weir silences list\` shows the active ones`,
    );
  }
  const logged: LoggedSilence = { ...silence, removedAtUs: nowUs, removedBy: request.by };
  await log.append({ subject: silenceSubject(silence.id), payload: toBytes(logged) });
  silences.apply(logged, nowUs);
  events.silenceRemoved(silence.id, request.by);
  onChanged();
  return silence;
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
