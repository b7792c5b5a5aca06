import { type SessionRecord, type SessionStore, TakenOverError } from "../store/port.ts";

/** Removes a session unless it is another one by now. */
export async function removeIfThere(store: SessionStore, { clientId, epoch }: SessionRecord): Promise<void> {
  await unlessTaken(store.remove(clientId, epoch));
}

/** Somebody else was faster: that is all right. */
export async function unlessTaken(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof TakenOverError)) throw error;
  }
}
