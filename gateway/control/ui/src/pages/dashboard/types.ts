import type { Schemas } from "../../parts";

export type { LiveFigures } from "../../parts";
export type Series = Schemas["SeriesReport"];
export type Group = Schemas["SeriesGroup"];
export type Figures = Schemas["FiguresEntry"];
export type Quantiles = Schemas["Spread"];
