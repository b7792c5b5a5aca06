import { randomBytes } from "node:crypto";
import {
  type Acknowledgement,
  ALERTS_ACKNOWLEDGE,
  ALERTS_LIST,
  DELIVERIES_LIST,
  type Delivery,
  type Matchers,
  type NewSilence,
  type OpenAlert,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
  type Silence,
  type SilenceRemoval,
} from "../contracts/notifications.ts";
import type { Asked, Question } from "../contracts/question.ts";
import { acknowledgementSubject, silenceSubject } from "../domain/subjects.ts";
import { US_PER_DAY } from "../domain/time.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log/port.ts";
import type { ChangeEntry } from "./common/change-entry.ts";
import type { NotifierEvents } from "./common/events.ts";
import type { Inhibitions } from "./inhibition/inhibition.ts";
import type { Board } from "./routing/board.ts";
import { matches } from "./routing/matchers.ts";
import type { AcknowledgementEntry, Orders, SilenceEntry } from "./routing/orders.ts";

const SILENCES_MAX = 10_000;
const SILENCE_US_MAX = 365 * US_PER_DAY;

/** An order or question that makes no sense now; the message says why, and what would. */
export class BadOrderError extends Error {
  override readonly name = "BadOrderError";
}

export interface AnswersOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly orders: Orders;
  readonly board: Board;
  readonly inhibitions: Inhibitions;
  readonly events: NotifierEvents;
  readonly deliveries: (incident: string) => Promise<Delivery[]>;
  /** Something that may hold or free messages has changed. */
  readonly onOrder: () => void;
}

/** Answers on the bus what is open, who was told, and takes silences and acknowledgements. Returns how to stop. */
export function answerOrders(options: AnswersOptions): () => void {
  const { log, events, deliveries } = options;
  const { bus } = log;

  function respond<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    answer: (asked: Asked) => Promise<Answer>,
  ): () => void {
    return bus.respond(question, answer, (error) => events.orderRefused(question.subject, error));
  }

  const stops = [
    respond(ALERTS_LIST, async ({ matchers = {}, limit }) => openAlerts(options, matchers, limit)),
    respond(ALERTS_ACKNOWLEDGE, (order) => acknowledge(options, order)),
    respond(DELIVERIES_LIST, ({ incident }) => deliveries(incident)),
    respond(SILENCES_LIST, async () => options.orders.silences(options.clock.nowUs())),
    respond(SILENCES_ADD, (order) => addSilence(options, order)),
    respond(SILENCES_REMOVE, (order) => removeSilence(options, order)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function openAlerts(options: AnswersOptions, matchers: Matchers, limit: number): OpenAlert[] {
  const nowUs = options.clock.nowUs();
  const open = options.board
    .entries()
    .filter(({ change }) => matches(matchers, change))
    .sort((a, b) => a.change.activeAtUs - b.change.activeAtUs);
  return open.slice(0, limit).map((entry) => toOpenAlert(entry, options, nowUs));
}

function toOpenAlert(
  { alert, change }: ChangeEntry,
  { orders, inhibitions }: Pick<AnswersOptions, "orders" | "inhibitions">,
  nowUs: number,
): OpenAlert {
  const { incident, rule, severity, state, key, labels, annotations, value, activeAtUs, atUs } = change;
  const acknowledgement = orders.acknowledgement(alert, incident);
  return {
    ...{ incident, rule, severity, state, key, labels, annotations, value, activeAtUs, atUs },
    silencedBy: orders.silencedBy(change, nowUs),
    inhibitedBy: inhibitions.holding(change, nowUs),
    ...(acknowledgement && { acknowledgement }),
  };
}

async function acknowledge(
  { log, clock, orders, board, events, onOrder }: AnswersOptions,
  { incident, by, note }: Asked<typeof ALERTS_ACKNOWLEDGE>,
): Promise<Acknowledgement> {
  const open = board.incident(incident);
  if (open === undefined) {
    throw new BadOrderError(
      `incident ${incident} is not open: it is over, or misspelt; \`weir alerts list\` shows those that are`,
    );
  }
  const acknowledgement = { incident, by, note, atUs: clock.nowUs() };
  const entry: AcknowledgementEntry = { ...acknowledgement, alert: open.alert };
  await log.append({ subject: acknowledgementSubject(open.alert), payload: toBytes(entry) });
  orders.applyAcknowledgement(entry);
  events.incidentAcknowledged(incident, by);
  onOrder();
  return acknowledgement;
}

async function addSilence(options: AnswersOptions, order: NewSilence): Promise<Silence> {
  const { log, clock, orders, events, onOrder } = options;
  const nowUs = clock.nowUs();
  const { fromUs = nowUs, untilUs, matchers, by, why } = order;
  if (untilUs <= nowUs) throw new BadOrderError("the silence would be over already: choose an end in the future");
  if (untilUs <= fromUs) throw new BadOrderError("the silence would end before it begins");
  if (untilUs - nowUs > SILENCE_US_MAX) throw new BadOrderError("a silence ends within a year at the latest");
  if (orders.silences(nowUs).length >= SILENCES_MAX) {
    throw new BadOrderError(`there are ${SILENCES_MAX} silences; remove one, or use a glob or a list in one silence`);
  }
  const silence: Silence = {
    id: `s-${randomBytes(5).toString("hex")}`,
    matchers,
    fromUs,
    untilUs,
    by,
    why,
    createdAtUs: nowUs,
  };
  await log.append({ subject: silenceSubject(silence.id), payload: toBytes(silence) });
  orders.applySilence(silence, nowUs);
  events.silenceAdded(silence.id, by);
  onOrder();
  return silence;
}

async function removeSilence(options: AnswersOptions, order: SilenceRemoval): Promise<Silence> {
  const { log, clock, orders, events, onOrder } = options;
  const nowUs = clock.nowUs();
  const silence = orders.silence(order.id, nowUs);
  if (silence === undefined) {
    throw new BadOrderError(
      `there is no silence ${order.id}: it is over, or misspelt; \`weir silences list\` shows those that last`,
    );
  }
  const entry: SilenceEntry = { ...silence, removedAtUs: nowUs, removedBy: order.by };
  await log.append({ subject: silenceSubject(silence.id), payload: toBytes(entry) });
  orders.applySilence(entry, nowUs);
  events.silenceRemoved(silence.id, order.by);
  onOrder();
  return silence;
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
