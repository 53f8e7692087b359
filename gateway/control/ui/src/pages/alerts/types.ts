import type { Schemas } from "../../parts";

export type Alert = Schemas["Alert"];
export type Alerts = Schemas["Alerts"];
export type Delivery = Schemas["Delivery"];
export type Webhook = Schemas["WebhookShown"];
