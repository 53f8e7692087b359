import { type CSSVariablesResolver, type MantineColorsTuple, createTheme } from "@mantine/core";

/** The last two shades of each colour carry text on light and white text on them: 4.5:1 at least (WCAG 1.4.3). */
const indigo: MantineColorsTuple = ["#eef0ff", "#dde1fb", "#b9c1f4", "#939fec", "#8390f0", "#5c6be0", "#5162db", "#4354c8", "#3d4fc4", "#3443ab"];
const red: MantineColorsTuple = ["#fff0f0", "#ffe0e0", "#ffc2c2", "#ff9c9c", "#ff8585", "#fa5f5f", "#ec4444", "#d93030", "#c42525", "#ad1c1c"];
const green: MantineColorsTuple = ["#eafaf0", "#d3f3df", "#a6e6bd", "#75d897", "#55cf80", "#37c067", "#28a957", "#1f8f49", "#187a3c", "#116630"];
const orange: MantineColorsTuple = ["#fff3e8", "#ffe3cc", "#ffc79a", "#ffaa66", "#ff9a47", "#fb8526", "#e87213", "#c95d08", "#ab4d05", "#934004"];
const yellow: MantineColorsTuple = ["#fff8e1", "#ffefc2", "#ffe08a", "#ffd250", "#ffca33", "#f5b90f", "#dba200", "#b08200", "#8a6600", "#745600"];
const teal: MantineColorsTuple = ["#e6faf5", "#cdf3e9", "#9be6d3", "#65d7ba", "#45cea9", "#26bf97", "#17a984", "#0f8f6f", "#0a785c", "#06634c"];
const gray: MantineColorsTuple = ["#f7f8fa", "#eff1f4", "#e3e6ea", "#d3d8de", "#b7bec8", "#98a1ae", "#768090", "#5a6473", "#464f5d", "#333b47"];
const dark: MantineColorsTuple = ["#d0d4db", "#bcc2cb", "#a3abb8", "#717b8a", "#434b57", "#363d48", "#2a303a", "#1e232b", "#171b22", "#101319"];

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 9, dark: 8 },
  colors: { indigo, red, green, orange, yellow, teal, gray, dark },
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: "650" },
  components: {
    Anchor: { defaultProps: { underline: "always" } },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } } },
    Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Drawer: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    // With the usual radius a small one is round, as if one of several were to be chosen.
    Checkbox: { defaultProps: { radius: "sm" } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 200, events: { hover: true, focus: true, touch: true } } },
    Table: { defaultProps: { fz: "sm" } },
  },
});

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#ffffff",
    "--mantine-color-dimmed": "#5a6473",
    "--mantine-color-placeholder": "#5f6978",
    "--mantine-color-error": "#ad1c1c",
  },
  dark: {
    "--mantine-color-dimmed": "#a3abb8",
    "--mantine-color-placeholder": "#98a1ae",
    "--mantine-color-error": "#ff8585",
  },
});
