import type { Schemas } from "../../parts";

export type LogEntry = Schemas["LogEntry"];
export type LogContent = Schemas["LogContent"];
export type ReceiptEntry = Schemas["ReceiptEntry"];
export type ReceiptStep = Schemas["ReceiptStep"];
