import { queries } from "../api/client";
import { Loaded } from "../components/states";
import { Verdict } from "../components/verdict";
import { IncidentList } from "./incident_list";
import type { PageProps } from "./project_page";

/** All incidents, open and past, with the messages about them. */
export function AlertsPage({ project, view, show }: PageProps) {
  const params = { path: { name: project }, query: { only_open: true } };
  const query = queries.useQuery("get", "/api/projects/{name}/alerts", { params });
  return (
    <Loaded query={query} title={`Alerts of ${project}`}>
      {(open) => (
        <>
          <Verdict title={`Alerts of ${project}`} sentence={open.length === 0 ? "No incident is open." : `${open.length} open: ${open.map(({ title }) => title).join(", ")}.`} tone={open.length === 0 ? "good" : "bad"} />
          <IncidentList project={project} chosen={view.incident} show={show} onlyOpen={false} />
        </>
      )}
    </Loaded>
  );
}
