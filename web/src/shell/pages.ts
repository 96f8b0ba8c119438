/** The pages of a project, in the order of the menu. */
export const PAGES = [
  { path: "models", title: "Models" },
  { path: "health", title: "Health" },
  { path: "explain", title: "Explain" },
] as const;

export type PagePath = (typeof PAGES)[number]["path"];
