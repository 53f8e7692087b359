/** The words of docs/receipt.md, as sentences. */

export const BECAUSE: Record<string, string> = {
  weighted: "drawn by weight",
  order: "the first in the order that is well",
  "least-latency": "the fastest of two drawn",
  "least-cost": "the cheapest",
  "least-busy": "the one with the fewest requests under way",
  hash: "chosen by hash: equal values go to the same target",
  only: "the only target",
  pinned: "the caller wants this provider (x-microgate-provider)",
  session: "the caller's session goes there",
  next: "the target before it cannot be asked",
  fallback: "a fallback: no target can be asked",
  probe: "its rest is over: this request finds out whether it answers again",
  panic: "most targets are out, so health is ignored",
};

export const PASSED: Record<string, string> = {
  ejected: "it was in trouble lately and rests",
  full: "as many requests as it may have are under way",
  throttled: "it refuses most of what it is sent",
  resting: "each of its keys rests after a rate limit or a refusal",
  limited: "a limit or budget of the key at this provider is used up",
  "no-key": "no key of the provider may serve the model",
  "no-token": "no key has an access token",
  unable: "its provider has no such operation",
  condition: "its condition is false",
  pinned: "the caller wants another provider",
};

export const STRATEGIES = [
  { value: "weighted", label: "Weighted", about: "Drawn in proportion to the weights." },
  { value: "order", label: "In order", about: "The first that is well." },
  { value: "least-latency", label: "Least latency", about: "Of two drawn the faster one." },
  { value: "least-busy", label: "Least busy", about: "The one with the fewest requests under way for its weight." },
  { value: "least-cost", label: "Least cost", about: "The cheapest for a request of this size." },
  { value: "hash", label: "Hash", about: "Equal values of a header field go to the same target." },
];

export const OPERATIONS = [
  { value: "chat", label: "Chat completions" },
  { value: "messages", label: "Anthropic messages" },
  { value: "responses", label: "Responses" },
  { value: "completions", label: "Completions" },
  { value: "embeddings", label: "Embeddings" },
  { value: "moderations", label: "Moderations" },
  { value: "speech", label: "Speech" },
  { value: "image_generation", label: "Images" },
  { value: "rerank", label: "Rerank" },
  { value: "ocr", label: "OCR" },
];
