import { queries } from "../api/client";
import { Loaded } from "../components/states";
import { Verdict } from "../components/verdict";
import { IncidentList } from "./incident_list";
import type { PageProps } from "./page_props";

/** All incidents, open and past, with the messages about them. */
export function AlertsPage({ project, view, show }: PageProps) {
  const params = { path: { name: project }, query: { only_open: true } };
  const query = queries.useQuery("get", "/api/projects/{name}/alerts", { params });
  return (
    <Loaded query={query} title={`Alerts of ${project}`}>
      {({ sentence, findings, incidents }) => (
        <>
          <Verdict title={`Alerts of ${project}`} sentence={sentence} tone={incidents.length > 0 ? "bad" : findings.length > 0 ? "watch" : "good"} />
          <IncidentList project={project} chosen={view.incident} show={show} onlyOpen={false} />
        </>
      )}
    </Loaded>
  );
}
