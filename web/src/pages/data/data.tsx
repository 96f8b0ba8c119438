import { type Documents, queries } from "../../api/client";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge, Verdict } from "../../components/verdict";
import { count, duration, instant } from "../../format";
import type { PageProps } from "../page_props";
import { SourceDetail } from "./source_detail";

type Source = Documents["SourceFreshness"];
type Show = PageProps["show"];

/** The sources and their age, one of them with its contract and rejected rows, and what each ingest brought. */
export function DataPage({ project, view, show }: PageProps) {
  const params = { path: { name: project } };
  const query = queries.useQuery("get", "/api/projects/{name}/data/freshness", { params });
  return (
    <Loaded query={query} title={`Data of ${project}`}>
      {({ sentence, is_stale, sources }) => {
        const source = view.source ?? sources[0]?.source;
        return (
          <>
            <Verdict title={`Data of ${project}`} sentence={sentence} tone={is_stale ? "watch" : "good"} />
            <Sources sources={sources} chosen={source} show={show} />
            <h2>Ingests</h2>
            <Ingests project={project} chosen={view.ingest} show={show} />
            {source !== undefined && <SourceDetail key={source} project={project} source={source} view={view} show={show} />}
          </>
        );
      }}
    </Loaded>
  );
}

function Sources({ sources, chosen, show }: { sources: Source[]; chosen: string | undefined; show: Show }) {
  if (sources.length === 0) return <Empty>No source is declared: Project(sources=[…]) in project.py names them.</Empty>;
  return (
    <Table
      caption="Sources; choose one to see its contract and its rejected rows"
      rows={sources}
      keyOf={({ source }) => source}
      isMarked={({ source }) => source === chosen}
      columns={[
        {
          head: "Source",
          cell: ({ source }) => (
            <button type="button" className="link" onClick={() => show({ source, ingest: undefined, snapshot: undefined })}>
              {source}
            </button>
          ),
        },
        { head: "State", cell: (one) => <Badge tone={one.is_stale ? "watch" : "good"}>{one.is_stale ? "stale" : "fresh"}</Badge> },
        { head: "Rows", cell: ({ rows }) => count(rows), isNumber: true },
        { head: "Age", cell: ({ age_seconds }) => duration(age_seconds), isNumber: true },
        { head: "Allowed", cell: ({ max_age_seconds }) => (max_age_seconds === null ? "any" : duration(max_age_seconds)), isNumber: true },
        { head: "Newest event", cell: ({ newest_event }) => instant(newest_event) },
        { head: "Last ingest (wall clock)", cell: ({ last_ingest_at, last_status }) => `${instant(last_ingest_at)} ${last_status ?? ""}` },
      ]}
    />
  );
}

function Ingests({ project, chosen, show }: { project: string; chosen: string | undefined; show: Show }) {
  const query = queries.useQuery("get", "/api/projects/{name}/data/ingests", { params: { path: { name: project } } });
  return (
    <Loaded query={query}>
      {(rows) => (rows.length === 0 ? <Empty>Nothing was ingested yet: touchline ingest -p {project}</Empty> : <IngestTable rows={rows} chosen={chosen} show={show} />)}
    </Loaded>
  );
}

function IngestTable({ rows, chosen, show }: { rows: Documents["IngestLine"][]; chosen: string | undefined; show: Show }) {
  return (
    <Table
      caption="What each ingest brought, newest first; choose refused rows to see their reasons, a snapshot to see what it changed"
      rows={rows}
      keyOf={({ id }) => id}
      isMarked={({ id }) => id === chosen}
      columns={[
        { head: "Ended (wall clock)", cell: ({ finished_at }) => instant(finished_at) },
        { head: "Source", cell: ({ source }) => source },
        { head: "Status", cell: ({ status }) => status },
        { head: "Read", cell: ({ rows_in }) => count(rows_in), isNumber: true },
        {
          head: "Refused",
          cell: ({ id, source, rejected }) =>
            rejected === 0 ? (
              "0"
            ) : (
              <button type="button" className="link" aria-label={`${count(rejected)} refused rows of ${source}`} onClick={() => show({ source, ingest: id })}>
                {count(rejected)}
              </button>
            ),
          isNumber: true,
        },
        { head: "New", cell: ({ added }) => count(added), isNumber: true },
        { head: "Changed", cell: ({ changed }) => count(changed), isNumber: true },
        {
          head: "Snapshot",
          cell: ({ source, snapshot_hash }) =>
            snapshot_hash && (
              <button type="button" className="link" onClick={() => show({ source, snapshot: snapshot_hash })}>
                {snapshot_hash.slice(0, 12)}
              </button>
            ),
        },
        { head: "In words", cell: ({ message }) => message, isText: true },
      ]}
    />
  );
}
