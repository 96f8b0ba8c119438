import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Broken, NotFound } from "./components/states";
import { Shell } from "./shell/shell";

/** What of a view is in its address beside the project and the page. */
export interface View {
  version?: string;
  prediction?: string;
  incident?: string;
  run?: string;
  source?: string;
  ingest?: string;
  snapshot?: string;
  kind?: string;
  entity?: string;
  at?: string;
  before?: string;
  since?: string;
  until?: string;
  compare?: string;
  rehearsal?: string;
  item?: string;
}

const NAMES = ["version", "prediction", "incident", "run", "source", "ingest", "snapshot", "kind", "entity", "at", "before", "since", "until", "compare", "rehearsal", "item"] as const;

function viewOf(search: Record<string, unknown>): View {
  const given = NAMES.filter((name) => search[name] !== undefined && search[name] !== "");
  return Object.fromEntries(given.map((name) => [name, String(search[name])]));
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/overview"), "OverviewPage"),
});

export const projectRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/$project/$page",
  validateSearch: viewOf,
  component: lazyRouteComponent(() => import("./pages/project_page"), "ProjectPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([overview, projectRoute]),
  defaultPreload: "intent",
  defaultErrorComponent: Broken,
  // Texts in addresses stay as they are, rather than quoted as JSON.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const text = new URLSearchParams(search as Record<string, string>).toString();
    return text === "" ? "" : `?${text}`;
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
