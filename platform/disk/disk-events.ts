import type { Logger } from "pino";
import { createFigures, gauge } from "../figures.ts";
import { sizeText } from "../log/stream-texts.ts";
import type { Metrics } from "../metrics.ts";
import type { DiskState } from "./disk-watch.ts";

export const FIGURES = {
  free: gauge("weir_disk_free_bytes", "Free space on the disk of the data folder."),
  reserve: gauge("weir_disk_reserve_bytes", "With less free space, publishes wait for their acknowledgement."),
  isShort: gauge("weir_disk_short", "1 while publishes wait because the disk is short of space."),
};

/** The events of the disk, logged and counted in one place. */
export function createDiskEvents(logger: Logger, metrics: Metrics) {
  const figures = createFigures(metrics, FIGURES);
  return {
    looked({ freeBytes, reserveBytes, isShort }: DiskState) {
      figures.free.set(freeBytes);
      figures.reserve.set(reserveBytes);
      figures.isShort.set(isShort ? 1 : 0);
    },
    changed(state: DiskState) {
      if (state.isShort) logger.error(`${shortText(state)} Free some space; nothing that was acknowledged is lost.`);
      else logger.warn(`the disk has room again (${sizeText(state.freeBytes)} free): publishes are acknowledged`);
    },
  };
}

/** For `/readyz`, the page and the log. */
export function shortText({ freeBytes, resumeBytes }: DiskState): string {
  return `The disk has ${sizeText(freeBytes)} free: publishes wait for their acknowledgement until it has ${sizeText(resumeBytes)} (log.disk_reserve in weir.yaml).`;
}
