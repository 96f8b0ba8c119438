import { queries } from "../api/client";
import { Empty, Loaded } from "../components/states";
import { Table } from "../components/table";
import { Badge, Verdict } from "../components/verdict";
import { count, duration, instant } from "../format";
import type { PageProps } from "./project_page";

/** The sources and their age, and what each ingest brought, changed and refused. */
export function DataPage({ project }: PageProps) {
  const params = { path: { name: project } };
  const query = queries.useQuery("get", "/api/projects/{name}/data/freshness", { params });
  const ingests = queries.useQuery("get", "/api/projects/{name}/data/ingests", { params });
  return (
    <Loaded query={query} title={`Data of ${project}`}>
      {({ sentence, is_stale, sources }) => (
        <>
          <Verdict title={`Data of ${project}`} sentence={sentence} tone={is_stale ? "watch" : "good"} />
          <Table
            caption="Sources"
            rows={sources}
            keyOf={({ source }) => source}
            columns={[
              { head: "Source", cell: ({ source }) => source },
              { head: "State", cell: (one) => <Badge tone={one.is_stale ? "watch" : "good"}>{one.is_stale ? "stale" : "fresh"}</Badge> },
              { head: "Rows", cell: ({ rows }) => count(rows), isNumber: true },
              { head: "Age", cell: ({ age_seconds }) => duration(age_seconds), isNumber: true },
              { head: "Allowed", cell: ({ max_age_seconds }) => (max_age_seconds === null ? "any" : duration(max_age_seconds)), isNumber: true },
              { head: "Newest event", cell: ({ newest_event }) => instant(newest_event) },
              { head: "Last ingest (UTC)", cell: ({ last_ingest_at, last_status }) => `${instant(last_ingest_at)} ${last_status ?? ""}` },
            ]}
          />
          <h2>Ingests</h2>
          <Loaded query={ingests}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty>Nothing was ingested yet: touchline ingest -p {project}</Empty>
              ) : (
                <Table
                  caption="What each ingest brought, newest first. Refused rows, with reasons: touchline data quarantine"
                  rows={rows}
                  keyOf={({ id }) => id}
                  columns={[
                    { head: "Ended (UTC)", cell: ({ finished_at }) => instant(finished_at) },
                    { head: "Source", cell: ({ source }) => source },
                    { head: "Status", cell: ({ status }) => status },
                    { head: "Read", cell: ({ rows_in }) => count(rows_in), isNumber: true },
                    { head: "Refused", cell: ({ rejected }) => count(rejected), isNumber: true },
                    { head: "New", cell: ({ added }) => count(added), isNumber: true },
                    { head: "Changed", cell: ({ changed }) => count(changed), isNumber: true },
                    { head: "Snapshot", cell: ({ snapshot_hash }) => snapshot_hash?.slice(0, 12) ?? "" },
                    { head: "In words", cell: ({ message }) => message, isText: true },
                  ]}
                />
              )
            }
          </Loaded>
        </>
      )}
    </Loaded>
  );
}
