import { type Documents, queries } from "../../api/client";
import { Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge, type Tone, Verdict } from "../../components/verdict";
import { duration } from "../../format";
import type { PageProps } from "../page_props";
import { ApiKeys } from "./keys";
import { Requests } from "./requests";

const TONES: Record<Documents["SystemHealth"]["status"], Tone> = { ok: "good", degraded: "watch", unavailable: "bad" };

/** The parts of the system with their response times, the latency of requests, what waits, and the API keys. */
export function SystemPage({ project }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/system/health", { params: { path: { name: project } } });
  return (
    <Loaded query={query} title="System">
      {({ sentence, status, version, components }) => (
        <>
          <Verdict title="System" sentence={sentence} tone={TONES[status]}>
            <p className="facts">touchline {version}. More figures: /metrics. Proofs and repairs: touchline doctor</p>
          </Verdict>
          <Table
            caption="Components"
            rows={components}
            keyOf={({ name }) => name}
            columns={[
              { head: "Component", cell: ({ name }) => name },
              { head: "Status", cell: (one) => <Badge tone={TONES[one.status]}>{one.status}</Badge> },
              { head: "Response", cell: ({ seconds }) => (seconds === null || seconds === undefined ? "" : duration(seconds)), isNumber: true },
              { head: "In words", cell: ({ detail }) => detail, isText: true },
            ]}
          />
          <Requests project={project} />
          <ApiKeys />
        </>
      )}
    </Loaded>
  );
}
