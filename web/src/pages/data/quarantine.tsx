import { queries } from "../../api/client";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { count } from "../../format";

/** The rejected rows of one ingest, or of the last that rejected any, each with its reason. */
export function Quarantine({ project, source, ingest }: { project: string; source: string; ingest: string | undefined }) {
  const params = { path: { name: project, source }, query: ingest === undefined ? {} : { ingest } };
  const query = queries.useQuery("get", "/api/projects/{name}/data/sources/{source}/quarantine", { params });
  return (
    <section aria-label={`Quarantine of ${source}`}>
      <h3>Quarantine</h3>
      <Loaded query={query}>
        {({ sentence, rules, rows, total }) => (
          <>
            <p data-testid="quarantine">{sentence}</p>
            {rules.length > 0 && (
              <Table
                caption="Broken rules, the most frequent first"
                rows={rules}
                keyOf={({ rule }) => rule}
                columns={[
                  { head: "Rule", cell: ({ rule }) => rule, isText: true },
                  { head: "Rows", cell: (one) => count(one.rows), isNumber: true },
                  { head: "First value", cell: ({ first_value }) => first_value ?? "empty" },
                ]}
              />
            )}
            {rows.length > 0 && (
              <Table
                caption={total > rows.length ? `The first ${count(rows.length)} of ${count(total)} broken rules; all: touchline data quarantine ${source} -p ${project} --json` : "Rejected rows as they came"}
                rows={rows}
                keyOf={({ row, rule }) => `${row} ${rule}`}
                columns={[
                  { head: "Row", cell: ({ row }) => count(row + 1), isNumber: true },
                  { head: "Reason", cell: ({ rule }) => rule, isText: true },
                  { head: "Value", cell: ({ value }) => value ?? "empty" },
                  { head: "Record", cell: ({ record }) => <code>{record}</code>, isText: true },
                ]}
              />
            )}
            {rows.length > 0 && <Empty>Mend the file, or the contract in project.py, then read it again: touchline ingest -p {project}</Empty>}
          </>
        )}
      </Loaded>
    </section>
  );
}
