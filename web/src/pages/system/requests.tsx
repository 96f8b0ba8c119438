import { queries } from "../../api/client";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { count, duration } from "../../format";

/** How fast requests are answered, and what waits. */
export function Requests({ project }: { project: string }) {
  const query = queries.useQuery("get", "/api/projects/{name}/system/requests", { params: { path: { name: project } } });
  return (
    <section aria-label="Requests">
      <h2>Requests</h2>
      <Loaded query={query}>
        {({ sentence, routes, in_flight, lag_seconds, rows_in_memory, spool_bytes, waiting_seconds }) => (
          <>
            <p data-testid="requests">{sentence}</p>
            <dl>
              <dt>In flight</dt>
              <dd>{count(in_flight)}</dd>
              <dt>Waiting time before a request</dt>
              <dd>{duration(Math.max(lag_seconds, 0))}</dd>
              <dt>Predictions in memory</dt>
              <dd>{count(rows_in_memory)}</dd>
              <dt>Spool on disk</dt>
              <dd>
                {count(spool_bytes)} bytes{waiting_seconds > 0 && `, the oldest waits ${duration(waiting_seconds)}`}
              </dd>
            </dl>
            {routes.length === 0 && <Empty>Predictions are sent to {location.origin}/projects/{project}/predict; their fields stand in /docs.</Empty>}
            {routes.length > 0 && (
              <Table
                caption="Latency by route since the start, the busiest first"
                rows={routes}
                keyOf={({ route }) => route}
                columns={[
                  { head: "Route", cell: ({ route }) => route },
                  { head: "Requests", cell: ({ requests }) => count(requests), isNumber: true },
                  { head: "Refused", cell: ({ refused }) => count(refused), isNumber: true },
                  { head: "Failed", cell: ({ failed }) => count(failed), isNumber: true },
                  { head: "Half within", cell: ({ p50_seconds }) => milliseconds(p50_seconds), isNumber: true },
                  { head: "95 %", cell: ({ p95_seconds }) => milliseconds(p95_seconds), isNumber: true },
                  { head: "99 %", cell: ({ p99_seconds }) => milliseconds(p99_seconds), isNumber: true },
                ]}
              />
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

function milliseconds(seconds: number | null): string {
  return seconds === null ? "–" : `${(1000 * seconds).toFixed(1)} ms`;
}
