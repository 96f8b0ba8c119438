import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { Broken, NotFound } from "./components/states";
import type { View } from "./pages/page_props";
import { Shell } from "./shell/shell";

const NAMES = ["version", "prediction", "incident", "run", "source", "ingest", "snapshot", "kind", "entity", "at", "before", "since", "until", "compare", "rehearsal", "slice", "item"] as const;

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

/** An address cut off behind the project. */
const projectAlone = createRoute({
  getParentRoute: () => root,
  path: "/ui/$project",
  beforeLoad: ({ params: { project } }) => {
    throw redirect({ to: "/ui/$project/$page", params: { project, page: "models" }, replace: true });
  },
});

const projectRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/$project/$page",
  validateSearch: viewOf,
  component: lazyRouteComponent(() => import("./pages/project_page"), "ProjectPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([overview, projectAlone, projectRoute]),
  defaultPreload: "intent",
  defaultErrorComponent: Broken,
  // Texts in addresses stay as they are, rather than quoted as JSON.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    // A choice that was taken back is undefined, which a text of its own would name.
    const chosen = Object.entries(search as Record<string, string | undefined>).filter((one): one is [string, string] => one[1] !== undefined);
    const text = new URLSearchParams(chosen).toString();
    return text === "" ? "" : `?${text}`;
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
