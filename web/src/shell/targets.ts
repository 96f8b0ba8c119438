import { isPredictionId } from "../format";
import { PAGES } from "./pages";

/** A place that the palette leads to. */
export interface Target {
  label: string;
  hint: string;
  project: string | null;
  page: string;
  search: Record<string, string>;
}

export interface Known {
  projects: string[];
  project: string | undefined;
  versions: { version: number; semantic_version: string; stage: string; name: string }[];
  entities: { kind: string; key: string }[];
  /** The pages that the present project declares. */
  pages: { path: string; title: string }[];
}

const MOST = 12;

/** The places that fit a text: a prediction by its id, versions, entities, pages. The nearest first. */
export function targetsFor(text: string, known: Known): Target[] {
  const words = text.trim().toLowerCase();
  const { project } = known;
  const found: Target[] = [];
  if (project !== undefined && isPredictionId(words)) {
    found.push({ label: words.toUpperCase(), hint: `prediction of ${project}`, project, page: "explain", search: { prediction: words.toUpperCase() } });
  }
  return [...found, ...fitting(versionTargets(known), words), ...fitting(pageTargets(known), words), ...fitting(entityTargets(known), words)].slice(0, MOST);
}

function fitting(targets: Target[], words: string): Target[] {
  const parts = words.split(/\s+/).filter(Boolean);
  const fits = targets.filter(({ label, hint }) => parts.every((part) => `${label} ${hint}`.toLowerCase().includes(part)));
  return fits.sort((one, other) => Number(other.label.toLowerCase().startsWith(words)) - Number(one.label.toLowerCase().startsWith(words)));
}

function pageTargets({ projects, project, pages: own }: Known): Target[] {
  const ordered = [...projects].sort((one, other) => Number(other === project) - Number(one === project));
  const pages = ordered.flatMap((name) => [...PAGES, ...(name === project ? own : [])].map(({ path, title }) => ({ label: title, hint: `page of ${name}`, project: name, page: path, search: {} })));
  return [{ label: "Overview", hint: "all projects", project: null, page: "", search: {} }, ...pages];
}

function versionTargets({ versions, project }: Known): Target[] {
  if (project === undefined) return [];
  return versions.map(({ version, semantic_version, stage, name }) => ({
    label: `Version ${version}`,
    hint: `${semantic_version} ${name} ${stage}`,
    project,
    page: "models",
    search: { version: String(version) },
  }));
}

function entityTargets({ entities, project }: Known): Target[] {
  if (project === undefined) return [];
  return entities.map(({ kind, key }) => ({ label: key, hint: kind, project, page: "features", search: { kind, entity: key } }));
}
