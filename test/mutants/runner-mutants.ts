import type { Mutant } from "./mutant.ts";

const RUNNER = "processors/partition-runner.ts";
const WINDOWS = "processors/windows-publisher.ts";
const FORWARDER = "processors/group-forwarder.ts";
const RUNNER_TESTS = ["processors/partition-runner.test.ts", "test/simulation/simulation.test.ts"];
const GROUPS_TESTS = ["test/simulation/simulation.test.ts", "processors/groups.test.ts"];
const OWNERSHIP_TESTS = ["processors/ownership"];

/** Faults in the code that carries the step through crashes and takeovers. */
export const RUNNER_MUTANTS: readonly Mutant[] = [
  {
    name: "published-again",
    fault: "the newest published input is published again after a restart",
    file: WINDOWS,
    from: "if (input <= this.#publishedInput) return;",
    to: "if (input < this.#publishedInput) return;",
    tests: RUNNER_TESTS,
  },
  {
    name: "part-again",
    fault: "the last part before a crash is published again",
    file: WINDOWS,
    from: "if (row > bundle.rowsDone) frames.push(frame);",
    to: "if (row >= bundle.rowsDone) frames.push(frame);",
    tests: RUNNER_TESTS,
  },
  {
    name: "windows-unfenced",
    fault: "windows are appended without checking the last sequence",
    file: WINDOWS,
    from: ", expectLastSubjectSequence: this.#subjectSequence",
    to: "",
    tests: RUNNER_TESTS,
  },
  {
    name: "saved-before-published",
    fault: "a state is saved before its results are published",
    file: RUNNER,
    from: "await this.#drain();\n    const writingMs = performance.now();\n    await this.#checkpoints.save({ sequence, state });",
    to: "const writingMs = performance.now();\n    await this.#checkpoints.save({ sequence, state });\n    await this.#drain();",
    tests: RUNNER_TESTS,
  },
  {
    name: "input-skipped",
    fault: "the first input after a state is not read",
    file: RUNNER,
    from: 'const from = { kind: "sequence", sequence: this.#sequence + 1 } as const;',
    to: 'const from = { kind: "sequence", sequence: this.#sequence + 2 } as const;',
    tests: RUNNER_TESTS,
  },
  {
    name: "state-of-a-cut-frame",
    fault: "a state is saved before a frame that was cut short is complete",
    file: RUNNER,
    from: "if (this.#sequence === this.#savedSequence || this.#windows?.completing) return undefined;",
    to: "if (this.#sequence === this.#savedSequence) return undefined;",
    tests: ["processors/cut-frames.test.ts"],
  },
  {
    name: "alert-again",
    fault: "the newest change of an alert is published again after a restart",
    file: "processors/alerts-publisher.ts",
    from: "(a.input === b.input && a.index > b.index)",
    to: "(a.input === b.input && a.index >= b.index)",
    tests: RUNNER_TESTS,
  },
  {
    name: "checkpoint-old-kept",
    fault: "the states before the newest are never deleted",
    file: "processors/checkpoints.ts",
    from: "if (old !== undefined && old !== blob) await this.#log.blobs.delete(old);",
    to: "",
    tests: ["processors/checkpoints.test.ts"],
  },
  {
    name: "forwarded-again",
    fault: "readings of the newest forwarded input are forwarded again",
    file: FORWARDER,
    from: "if (input <= lane.reached) continue;",
    to: "if (input < lane.reached) continue;",
    tests: GROUPS_TESTS,
  },
  {
    name: "forwarder-unfenced",
    fault: "forwarded readings are appended without checking the last sequence",
    file: FORWARDER,
    from: "expectLastSubjectSequence: this.#subjectSequence,",
    to: "",
    tests: GROUPS_TESTS,
  },
  {
    name: "forwarder-reaches-too-far",
    fault: "a frame claims to reach one entry further than it does",
    file: FORWARDER,
    from: "this.#lastInput);\n    this.#full.push",
    to: "this.#lastInput + 1);\n    this.#full.push",
    tests: GROUPS_TESTS,
  },
  {
    name: "lease-ignored",
    fault: "a process writes after its lease has expired",
    file: "processors/ownership/lease.ts",
    from: "return lease.isOpen() ? write() : later(write);",
    to: "return lease.isOpen() ? write() : write();",
    tests: OWNERSHIP_TESTS,
  },
  {
    name: "lease-from-after-the-write",
    fault: "a lease starts after the write that renews it",
    file: "processors/ownership/ownership.ts",
    from: "this.#leaseEndMs = readAtMs + this.#options.leaseMs;",
    to: "this.#leaseEndMs = time.nowMs() + this.#options.leaseMs;",
    tests: OWNERSHIP_TESTS,
  },
  {
    name: "dead-too-soon",
    fault: "time in which a member did not watch counts against the others",
    file: "processors/ownership/watched-members.ts",
    from: "const watchedMs = Math.min(nowMs - (this.#readAtMs ?? nowMs), this.#leaseMs / 2);",
    to: "const watchedMs = nowMs - (this.#readAtMs ?? nowMs);",
    tests: OWNERSHIP_TESTS,
  },
  {
    name: "paused-is-ended",
    fault: "a process counts as ended although it still runs",
    file: "processors/ownership/watched-members.ts",
    from: "return process !== undefined && this.#hasEnded(process);",
    to: "return process !== undefined;",
    tests: OWNERSHIP_TESTS,
  },
  {
    name: "skipped-between-slices",
    fault: "the entry after a slice of time is not read",
    file: RUNNER,
    from: "return next;",
    to: "return next + Number(slice.over);",
    tests: RUNNER_TESTS,
  },
];
