import { Link } from "@tanstack/react-router";
import { type Documents, queries } from "../api/client";
import { Empty, Loaded } from "../components/states";
import { Badge, type Tone, Verdict } from "../components/verdict";
import { count, counted, instant } from "../format";

const TONES: Record<Documents["ProjectOverview"]["status"], Tone> = { ok: "good", degraded: "watch", unavailable: "bad" };
const WORDS: Record<Documents["ProjectOverview"]["status"], string> = { ok: "healthy", degraded: "needs a look", unavailable: "no prediction is answered" };

export function OverviewPage() {
  const query = queries.useQuery("get", "/api/overview");
  return (
    <Loaded query={query} title="Overview">
      {({ sentence, projects }) => (
        <>
          <Verdict title="Overview" sentence={sentence} tone={worstOf(projects)} />
          {projects.length === 0 && <Empty>No project is served. Make one of a table: touchline init NAME --from data.csv --target y</Empty>}
          <div className="cards">
            {projects.map((project) => (
              <ProjectCard key={project.project} project={project} />
            ))}
          </div>
        </>
      )}
    </Loaded>
  );
}

function worstOf(projects: Documents["ProjectOverview"][]): Tone {
  const tones = projects.map(toneOf);
  return (["bad", "watch"] as const).find((tone) => tones.includes(tone)) ?? (projects.length > 0 ? "good" : "plain");
}

/** A project that is healthy as far as anybody can tell, and whose risen loss nobody would be told of. */
function isUnwatched(project: Documents["ProjectOverview"]): boolean {
  return project.status === "ok" && project.loss.state === "unwatched";
}

function toneOf(project: Documents["ProjectOverview"]): Tone {
  return isUnwatched(project) ? "watch" : TONES[project.status];
}

function ProjectCard({ project }: { project: Documents["ProjectOverview"] }) {
  const name = project.project;
  return (
    <article className="card" aria-labelledby={`card-${name}`}>
      <h2 id={`card-${name}`}>
        <Link to="/ui/$project/$page" params={{ project: name, page: "models" }} search={{}}>
          {name}
        </Link>{" "}
        <Badge tone={toneOf(project)}>{WORDS[project.status] + (isUnwatched(project) ? ", loss not watched" : "")}</Badge>
      </h2>
      <p data-testid={`sentence-${name}`}>{project.sentence}</p>
      <Concerns project={project} />
      <dl>
        <dt>Production</dt>
        <dd>{project.production === null ? "nothing yet" : <VersionLink project={name} version={project.production} />}</dd>
        <dt>Waits in Staging</dt>
        <dd>{project.staging === null ? "nothing" : <VersionLink project={name} version={project.staging} />}</dd>
        <dt>Predictions</dt>
        <dd>
          <span data-testid={`predictions-${name}`}>{count(project.log.predictions)}</span>, {counted(project.log.outcomes, "outcome")}
        </dd>
        <dt>Loss</dt>
        <dd data-testid={`loss-${name}`}>{project.loss.sentence}</dd>
        <dt>Next training</dt>
        <dd>{project.next_training_at === null ? "none: no schedule is declared, or it is paused" : `${instant(project.next_training_at)} (project time now: ${instant(project.now)})`}</dd>
      </dl>
      {project.rollout !== null && <p>Rollout: {project.rollout}</p>}
      {project.log.predictions === 0 && project.production !== null && <Empty>No prediction is logged yet: send one to /projects/{name}/predict (see /docs).</Empty>}
    </article>
  );
}

function Concerns({ project }: { project: Documents["ProjectOverview"] }) {
  if (project.reasons.length + project.incidents.length === 0) return null;
  return (
    <ul className="concerns">
      {project.reasons.map((reason) => (
        <li key={reason}>{reason}</li>
      ))}
      {project.incidents.map((incident) => (
        <li key={incident.id}>
          <Link to="/ui/$project/$page" params={{ project: project.project, page: "health" }} search={{ incident: incident.id }}>
            {incident.title}
          </Link>{" "}
          ({incident.severity}, since {instant(incident.opened_at)})
        </li>
      ))}
    </ul>
  );
}

function VersionLink({ project, version }: { project: string; version: number }) {
  return (
    <Link to="/ui/$project/$page" params={{ project, page: "models" }} search={{ version: String(version) }}>
      version {version}
    </Link>
  );
}
