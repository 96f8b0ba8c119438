/** The pages of a project, in the order of the menu. */
export const PAGES = [
  { path: "runs", title: "Runs" },
  { path: "models", title: "Models" },
  { path: "health", title: "Health" },
  { path: "explain", title: "Explain" },
  { path: "data", title: "Data" },
  { path: "features", title: "Features" },
  { path: "rollout", title: "Rollout" },
  { path: "alerts", title: "Alerts" },
  { path: "automation", title: "Automation" },
  { path: "rehearsal", title: "Rehearsal" },
  { path: "system", title: "System" },
] as const;

export type PagePath = (typeof PAGES)[number]["path"];
