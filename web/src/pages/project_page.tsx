import { getRouteApi } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense } from "react";
import { Loading } from "../components/states";
import { PAGES, type PagePath } from "../shell/pages";
import type { PageProps, View } from "./page_props";

const route = getRouteApi("/ui/$project/$page");

const COMPONENTS: Record<PagePath, ComponentType<PageProps>> = {
  models: lazy(() => import("./models/models").then((found) => ({ default: found.ModelsPage }))),
  health: lazy(() => import("./health").then((found) => ({ default: found.HealthPage }))),
  explain: lazy(() => import("./explain").then((found) => ({ default: found.ExplainPage }))),
  data: lazy(() => import("./data/data").then((found) => ({ default: found.DataPage }))),
  features: lazy(() => import("./features/features").then((found) => ({ default: found.FeaturesPage }))),
  rollout: lazy(() => import("./rollout").then((found) => ({ default: found.RolloutPage }))),
  alerts: lazy(() => import("./alerts").then((found) => ({ default: found.AlertsPage }))),
  automation: lazy(() => import("./automation").then((found) => ({ default: found.AutomationPage }))),
  runs: lazy(() => import("./runs/runs").then((found) => ({ default: found.RunsPage }))),
  rehearsal: lazy(() => import("./rehearsal").then((found) => ({ default: found.RehearsalPage }))),
  system: lazy(() => import("./system/system").then((found) => ({ default: found.SystemPage }))),
};

/** A page that touchline does not know is one that the project declares, or none. */
const OwnPage = lazy(() => import("./own/own_page").then((found) => ({ default: found.OwnPage })));

export function ProjectPage() {
  const { project, page } = route.useParams();
  const view = route.useSearch();
  const navigate = route.useNavigate();
  const known = PAGES.find(({ path }) => path === page);
  const Page = known === undefined ? OwnPage : COMPONENTS[known.path];
  const show = (change: Partial<View>) => void navigate({ search: (before) => ({ ...before, ...change }) });
  return (
    <Suspense fallback={<Loading />}>
      <Page key={`${project}/${page}`} project={project} view={view} show={show} />
    </Suspense>
  );
}
