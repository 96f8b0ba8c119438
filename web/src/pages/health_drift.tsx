import { queries } from "../api/client";
import { Histogram } from "../components/histogram";
import { Empty, Loaded } from "../components/states";
import { Table } from "../components/table";
import { Badge } from "../components/verdict";
import { count, decimal, instant } from "../format";

const MOST = 15;
const MOST_PICTURES = 12;

function Key() {
  return (
    <>
      <span className="key then">then</span> <span className="key now">now</span>
    </>
  );
}

/** The columns with the largest change, in the reference and in the newest checked window. */
function Distributions({ project, slice }: { project: string; slice: string | undefined }) {
  const query = queries.useQuery("get", "/api/projects/{name}/model/distributions", { params: { path: { name: project }, query: slice === undefined ? {} : { slice } } });
  return (
    <>
      <h3>Distributions then and now</h3>
      <Loaded query={query}>
        {({ sentence, columns }) => (
          <>
            <p data-testid="distributions">
              {sentence} {columns.length > 0 && <Key />}
            </p>
            <div className="histograms">
              {columns.slice(0, MOST_PICTURES).map((column) => (
                <Histogram key={column.name} column={column} />
              ))}
            </div>
            {columns.length > MOST_PICTURES && (
              <details>
                <summary>The pictures of {columns.length - MOST_PICTURES} more columns</summary>
                <div className="histograms">
                  {columns.slice(MOST_PICTURES).map((column) => (
                    <Histogram key={column.name} column={column} />
                  ))}
                </div>
              </details>
            )}
          </>
        )}
      </Loaded>
    </>
  );
}

/** Drift explains, it does not page: the columns by the size of their change. */
export function DriftSection({ project, slice }: { project: string; slice: string | undefined }) {
  const query = queries.useQuery("get", "/api/projects/{name}/model/drift", { params: { path: { name: project } } });
  return (
    <section>
      <h2>Drift</h2>
      <Loaded query={query}>
        {({ sentence, columns, at, rows }) => (
          <>
            <p data-testid="drift">{sentence}</p>
            {at === null && <Empty>A check compares the newest predictions with the test rows: touchline monitor drift -p {project}</Empty>}
            {at !== null && columns.length > 0 && (
              <Table
                caption={`${columns.length} columns of ${count(rows)} rows, checked ${instant(at)}; the most changed first`}
                rows={columns.slice(0, MOST)}
                keyOf={({ name }) => name}
                columns={[
                  { head: "Column", cell: ({ name, is_output }) => (is_output ? `${name} (output)` : name) },
                  { head: "Verdict", cell: ({ drifted, differs, streak }) => <Badge tone={drifted ? "bad" : differs ? "watch" : "plain"}>{drifted ? `drifted, ${streak} windows` : differs ? "differs" : "same"}</Badge> },
                  { head: "PSI", cell: ({ psi }) => decimal(psi), isNumber: true },
                  { head: "Distance", cell: ({ distance }) => decimal(distance), isNumber: true },
                  { head: "p (adjusted)", cell: ({ p_adjusted }) => decimal(p_adjusted), isNumber: true },
                  { head: "Facts", cell: ({ facts }) => facts, isText: true },
                ]}
              />
            )}
            {columns.length > MOST && <p>The table leaves out {columns.length - MOST} columns that changed less: touchline monitor drift -p {project}</p>}
            {at !== null && <Distributions project={project} slice={slice} />}
          </>
        )}
      </Loaded>
    </section>
  );
}
