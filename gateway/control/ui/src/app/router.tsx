import { Navigate, createBrowserRouter } from "react-router";
import { Failure, NotFound } from "./failure";
import { Frame } from "./frame";
import { PageLoading } from "./loading";

/** Each page is loaded when it is first shown; it exports `Component`. Below its path a page may have routes of its own
 * (`*`), which it reads with `useParams` or `useSearchParams`. */
const PAGES = {
  dashboard: () => import("../pages/dashboard"),
  live: () => import("../pages/live"),
  logs: () => import("../pages/logs"),
  alerts: () => import("../pages/alerts"),
  playground: () => import("../pages/playground"),
  providers: () => import("../pages/providers"),
  routes: () => import("../pages/routes"),
  keys: () => import("../pages/keys"),
  cache: () => import("../pages/cache"),
  prices: () => import("../pages/prices"),
  settings: () => import("../pages/settings"),
  users: () => import("../pages/users"),
  audit: () => import("../pages/audit"),
  welcome: () => import("../pages/wizard"),
};

export const router = createBrowserRouter(
  [
    { path: "/login", lazy: () => import("../pages/login"), HydrateFallback: PageLoading },
    { path: "/password", lazy: () => import("../pages/login/password"), HydrateFallback: PageLoading },
    { path: "/setup", lazy: () => import("../pages/setup"), HydrateFallback: PageLoading },
    {
      path: "/",
      Component: Frame,
      HydrateFallback: PageLoading,
      children: [
        {
          errorElement: <Failure />,
          children: [
            { index: true, element: <Navigate to="/dashboard" replace /> },
            ...Object.entries(PAGES).map(([path, lazy]) => ({ path: `${path}/*`, lazy })),
            { path: "*", Component: NotFound },
          ],
        },
      ],
    },
  ],
  { basename: "/ui" },
);
