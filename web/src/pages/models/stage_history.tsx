import { queries } from "../../api/client";
import { Loaded } from "../../components/states";
import { instant } from "../../format";
import type { PageProps } from "../page_props";

/** The journal as a timeline, and where the versions stood at a time. */
export function StageHistory({ project, at, show }: { project: string; at: string | undefined; show: PageProps["show"] }) {
  const query = queries.useQuery("get", "/api/projects/{name}/stages/history", { params: { path: { name: project } } });
  return (
    <section>
      <h2>History</h2>
      <label>
        What was in Production at (project time){" "}
        <input type="datetime-local" value={at ?? ""} onChange={(event) => show({ at: event.target.value || undefined })} />
      </label>
      {at !== undefined && <StagesAt project={project} at={at} />}
      <Loaded query={query}>
        {({ items, total }) => (
          <>
            <ol className="timeline" aria-label="Stage changes, newest first">
              {items.map((change) => (
                <li key={change.sequence}>
                  <time dateTime={change.at}>{instant(change.at)}</time> <strong>version {change.version}</strong>{" "}
                  {change.from_stage === change.to_stage ? `is approved, and stays in ${change.to_stage}` : `${change.from_stage} → ${change.to_stage}`}, by {change.actor}: {change.reason}
                  {change.ticket !== null && ` (${change.ticket})`}
                </li>
              ))}
            </ol>
            {items.length < total && <p>The newest {items.length} of {total} changes. All: touchline models history -p {project}</p>}
          </>
        )}
      </Loaded>
    </section>
  );
}

function StagesAt({ project, at }: { project: string; at: string }) {
  const params = { path: { name: project }, query: { at: `${at}:00Z` } };
  const query = queries.useQuery("get", "/api/projects/{name}/stages", { params });
  return <Loaded query={query}>{({ sentence }) => <p data-testid="stages-at">{sentence}</p>}</Loaded>;
}
