import type { Schemas } from "../../parts";

export type LogEntry = Schemas["LogEntry"] & {
  /** Around what was searched, where that was said. */
  snippet?: { text: string; hit: boolean }[];
};
export type LogContent = Schemas["LogContent"];
export type ReceiptEntry = Schemas["ReceiptEntry"];
export type ReceiptStep = Schemas["ReceiptStep"];
