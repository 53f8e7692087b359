// docs/receipt.md in sentences: why a target was asked or passed over, what came of it, why nothing more was tried.
import type { ReceiptEntry, ReceiptStep } from "./entry";

const WHY: Readonly<Record<string, string>> = {
  weighted: "chosen by weight",
  order: "first in the route's order",
  "least-latency": "the fastest lately",
  "least-cost": "the cheapest",
  "least-busy": "the least busy",
  hash: "chosen by hash, so that equal requests go the same way",
  only: "the only target",
  pinned: "the caller asked for it (x-microgate-provider)",
  session: "the session stays with it (x-microgate-session)",
  next: "the target before it failed or could not be asked",
  fallback: "fallback: the targets before it failed or could not be asked",
  again: "the same key once more",
  "other-key": "another key of the same provider",
  hedge: "a second attempt beside the first, which took long",
  probe: "its rest was over: this request found out whether it answers again",
  panic: "most targets are out, so health was ignored",
  continued: "goes on with a stream that broke off",
};

const PASSED: Readonly<Record<string, string>> = {
  ejected: "it was in trouble lately",
  full: "as many requests as it may have (max_concurrency) were under way there",
  throttled: "it refuses most of what it is sent; this request was left out by lot",
  resting: "each of its keys rests, after a rate limit or a refusal",
  limited: "a limit or budget of the virtual key at this provider is used up",
  "no-key": "no key may serve the model",
  "no-token": "no key has an access token",
  unable: "its provider has no such operation",
  condition: "its condition is false",
};

const RESULT: Readonly<Record<string, string>> = {
  dns: "its name was not found",
  refused: "the connection was refused",
  tls: "TLS failed",
  connect: "no connection in time",
  cut: "the answer was cut off",
  garbled: "the answer was not what it claims to be",
  large: "the answer was too large",
  timeout: "no first byte in time",
  token: "no first token in time",
  idle: "the stream stood still for too long",
  total: "the time for the whole request was over",
  stream: "an error within the stream",
  lost: "given up: the other attempt was faster",
  gone: "the caller went away",
  unread: "the caller did not read",
  drained: "the gateway stopped",
  shed: "the gateway was short of memory",
  unable: "the request cannot be put into this target's form",
  fault: "a mistake of the gateway's own",
  failed: "it failed",
};

const END: Readonly<Record<string, string>> = {
  attempts: "No more attempts: as many as retry.attempts allows were made.",
  budget: "No more attempts: the retry budget is used up.",
  deadline: "No more attempts: the time for the whole request was over, or would have been.",
  nowhere: "No more attempts: there was no other target or key, and no pause that would have helped.",
};

export interface StepText {
  /** Whether the target was asked at all. */
  asked: boolean;
  /** Whether it answered as wished. */
  well: boolean;
  /** `Target 1`, counted as people count. */
  target: string;
  why: string;
  result: string;
  ms: number | null;
}

export function stepText(step: ReceiptStep): StepText {
  const target = `Target ${step.target + 1}`;
  if (step.why === "passed")
    return { asked: false, well: false, target, why: PASSED[step.result] ?? step.result, result: "", ms: null };
  const status = Number(step.result);
  const answered = Number.isInteger(status) && status > 0;
  return {
    asked: true,
    well: answered && status < 400,
    target,
    why: WHY[step.why] ?? step.why,
    result: answered ? `answered ${status}` : (RESULT[step.result] ?? step.result),
    ms: step.ms,
  };
}

export function ending(receipt: ReceiptEntry): string {
  const missing =
    receipt.left_out === 0 ? "" : `${receipt.left_out} more ${receipt.left_out === 1 ? "step" : "steps"} had no room. `;
  return missing + (receipt.end ? (END[receipt.end] ?? receipt.end) : "");
}
