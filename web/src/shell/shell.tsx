import { Link, Outlet, useParams } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { queries } from "../api/client";
import { PAGES } from "./pages";
import { Palette } from "./palette";
import { Session, SignOut } from "./session";
import { ThemeSwitch } from "./theme";

/** What surrounds every page: the menu, the project, the search, who is signed in. */
export function Shell() {
  return (
    <Session>
      <a className="skip" href="#page">
        To the page
      </a>
      <div className="shell">
        <Menu />
        <main id="page" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
    </Session>
  );
}

/** On a phone the menu is one line: the page that is shown comes into view. */
function useCurrentInView(page: string | undefined, links: number) {
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    // The link of the project is active, too: the page's is the last one.
    const active = place.current?.querySelectorAll("a.active") ?? [];
    // Newer browsers return a promise here, which is no clean-up of an effect.
    active[active.length - 1]?.scrollIntoView({ inline: "center", block: "nearest" });
    // The links come with the answers: each one that is new moves the others.
  }, [page, links]);
  return place;
}

function useOwnPages(project: string | undefined) {
  const params = { path: { name: project ?? "" } };
  return queries.useQuery("get", "/api/projects/{name}/pages", { params }, { enabled: project !== undefined, staleTime: Infinity, refetchInterval: false });
}

function Menu() {
  const { data: projects = [] } = queries.useQuery("get", "/api/projects");
  const params: { project?: string; page?: string } = useParams({ strict: false });
  const project = params.project ?? projects.find((one) => one.is_default)?.name;
  const { data: own = [] } = useOwnPages(project);
  const nav = useCurrentInView(params.page, projects.length + own.length);
  return (
    <header className="menu">
      <div className="brand">
        <Link to="/">touchline</Link>
        <SearchButton project={project} />
      </div>
      <nav aria-label="Pages" ref={nav}>
        <ul>
          <li>
            <Link to="/" activeOptions={{ exact: true }}>
              Overview
            </Link>
          </li>
        </ul>
        {project !== undefined && <ProjectMenu project={project} projects={projects.map(({ name }) => name)} page={params.page ?? "models"} />}
      </nav>
      <div className="foot">
        <ThemeSwitch />
        <small title="Project time is the clock of a project: of a sample it stands still until it is advanced. The wall clock is the time of the server.">All times are UTC</small>
        <SignOut />
      </div>
    </header>
  );
}

function ProjectMenu({ project, projects, page }: { project: string; projects: string[]; page: string }) {
  const { data: own = [] } = useOwnPages(project);
  const pageThere = PAGES.some(({ path }) => path === page) ? page : "models";
  return (
    <>
      <ul className="projects" aria-label="Projects">
        {projects.map((name) => (
          <li key={name}>
            <Link to="/ui/$project/$page" params={{ project: name, page: name === project ? page : pageThere }} search={{}} className={name === project ? "current" : undefined} aria-current={name === project ? "true" : undefined}>
              {name}
            </Link>
          </li>
        ))}
      </ul>
      <ul aria-label={`Pages of ${project}`}>
        {[...PAGES, ...own].map(({ path, title }) => (
          <li key={path}>
            <Link to="/ui/$project/$page" params={{ project, page: path }} search={{}} activeOptions={{ includeSearch: false }}>
              {title}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function SearchButton({ project }: { project: string | undefined }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setOpen(true);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <button type="button" className="search" onClick={() => setOpen(true)}>
        Find <kbd>Ctrl K</kbd>
      </button>
      <Palette project={project} isOpen={isOpen} setOpen={setOpen} />
    </>
  );
}
