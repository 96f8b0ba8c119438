import { type Documents, queries } from "../../api/client";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { count, decimal, instant } from "../../format";

interface SnapshotsProps {
  project: string;
  source: Documents["SourceDocument"];
  chosen: string | undefined;
  choose: (snapshot: string) => void;
}

/** The states of a source's table, and what the chosen one changed. */
export function Snapshots({ project, source, chosen, choose }: SnapshotsProps) {
  return (
    <section aria-label={`Snapshots of ${source.source}`}>
      <h3>Snapshots</h3>
      {source.snapshots.length === 0 && <Empty>None yet: touchline ingest -p {project}</Empty>}
      {source.snapshots.length > 0 && (
        <Table
          caption="Newest first; choose one to see what it changed"
          rows={source.snapshots}
          keyOf={({ hash }) => hash}
          isMarked={({ hash }) => chosen !== undefined && hash.startsWith(chosen)}
          columns={[
            { head: "No.", cell: ({ sequence }) => sequence, isNumber: true },
            {
              head: "Hash",
              cell: ({ hash }) => (
                <button type="button" className="link" onClick={() => choose(hash)}>
                  {hash.slice(0, 12)}
                </button>
              ),
            },
            { head: "Made (wall clock)", cell: ({ created_at }) => instant(created_at) },
            { head: "Row versions", cell: ({ rows }) => count(rows), isNumber: true },
          ]}
        />
      )}
      {chosen !== undefined && <Changes project={project} source={source.source} snapshot={chosen} />}
    </section>
  );
}

function Changes({ project, source, snapshot }: { project: string; source: string; snapshot: string }) {
  const params = { path: { name: project, source, snapshot } };
  const query = queries.useQuery("get", "/api/projects/{name}/data/sources/{source}/changes/{snapshot}", { params }, { refetchInterval: false, staleTime: Infinity });
  return (
    <div className="detail">
      <Loaded query={query}>
        {({ sentence, columns, examples }) => (
          <>
            <p data-testid="changes">{sentence}</p>
            {columns.length > 0 && (
              <Table
                caption="Columns that differ"
                rows={columns}
                keyOf={({ name }) => name}
                columns={[
                  { head: "Column", cell: ({ name }) => name },
                  { head: "Changed values", cell: ({ changed }) => count(changed), isNumber: true },
                  { head: "Distance of distributions", cell: ({ distance }) => decimal(distance), isNumber: true },
                ]}
              />
            )}
            {examples.length > 0 && (
              <Table
                caption="First changed values"
                rows={examples}
                keyOf={({ key, column }) => `${key} ${column}`}
                columns={[
                  { head: "Row", cell: ({ key }) => key },
                  { head: "Column", cell: ({ column }) => column },
                  { head: "Before", cell: ({ before }) => before ?? "empty" },
                  { head: "After", cell: ({ after }) => after ?? "empty" },
                ]}
              />
            )}
          </>
        )}
      </Loaded>
    </div>
  );
}
