import {
  IconActivity,
  IconBell,
  IconBook2,
  IconCoin,
  IconDatabase,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconListSearch,
  IconMessageChatbot,
  IconPlug,
  IconRoute,
  IconSettings,
  IconUsers,
} from "@tabler/icons-react";
import type { ComponentType } from "react";
import type { Role } from "../api/me";

export interface Entry {
  path: string;
  label: string;
  icon: ComponentType<{ size?: number; stroke?: number }>;
  /** Least role that sees it. */
  least?: Role;
  /** Second letter of the shortcut `g …`. */
  key: string;
}

export const NAVIGATION: { group: string; entries: Entry[] }[] = [
  {
    group: "Observe",
    entries: [
      { path: "/dashboard", label: "Dashboard", icon: IconLayoutDashboard, key: "d" },
      { path: "/live", label: "Live", icon: IconActivity, key: "l" },
      { path: "/logs", label: "Logs", icon: IconListSearch, key: "o" },
      { path: "/alerts", label: "Alerts", icon: IconBell, key: "e" },
    ],
  },
  { group: "Use", entries: [{ path: "/playground", label: "Playground", icon: IconMessageChatbot, key: "p" }] },
  {
    group: "Configure",
    entries: [
      { path: "/providers", label: "Providers & keys", icon: IconPlug, key: "v" },
      { path: "/routes", label: "Routes", icon: IconRoute, key: "r" },
      { path: "/keys", label: "Virtual keys", icon: IconKey, key: "k" },
      { path: "/cache", label: "Cache", icon: IconDatabase, key: "c" },
      { path: "/prices", label: "Prices", icon: IconCoin, key: "m" },
    ],
  },
  {
    group: "Administer",
    entries: [
      { path: "/settings", label: "Settings", icon: IconSettings, key: "s" },
      { path: "/users", label: "Users", icon: IconUsers, least: "admin", key: "u" },
      { path: "/audit", label: "Audit", icon: IconHistory, least: "admin", key: "a" },
    ],
  },
];

export const DOCS = { label: "Documentation", icon: IconBook2 };
