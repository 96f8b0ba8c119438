import { queries } from "../../api/client";
import { Loaded } from "../../components/states";
import type { PageProps } from "../page_props";
import { Contract } from "./contract";
import { Quarantine } from "./quarantine";
import { Snapshots } from "./snapshots";

/** One source: its rejected rows, its contract, its snapshots. */
export function SourceDetail({ project, source, view, show }: { project: string; source: string; view: PageProps["view"]; show: PageProps["show"] }) {
  const query = queries.useQuery("get", "/api/projects/{name}/data/sources/{source}", { params: { path: { name: project, source } } });
  return (
    <section className="detail" aria-label={`Source ${source}`}>
      <h2>Source {source}</h2>
      <Loaded query={query}>
        {(found) => (
          <>
            <Quarantine project={project} source={source} ingest={view.ingest} />
            <Contract source={found} />
            <Snapshots project={project} source={found} chosen={view.snapshot} choose={(snapshot) => show({ source, snapshot })} />
          </>
        )}
      </Loaded>
    </section>
  );
}
