import { type Documents, queries } from "../../api/client";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge, Verdict } from "../../components/verdict";
import { count, day, decimal, instant, interval } from "../../format";
import type { PageProps } from "../page_props";
import { Comparison } from "./comparison";

type Version = Documents["VersionSummary"];
const MOST_COMPARED = 6;

/** The trainings, and some of them side by side: metrics, settings, candidates, learning curves. */
export function RunsPage({ project, view, show }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/trainings", { params: { path: { name: project }, query: view.before === undefined ? {} : { before: Number(view.before) } } });
  const chosen = (view.compare ?? "").split(",").filter(Boolean);
  const toggle = (version: string) => {
    const next = chosen.includes(version) ? chosen.filter((one) => one !== version) : [...chosen, version].slice(-MOST_COMPARED);
    show({ compare: next.length > 0 ? next.join(",") : undefined });
  };
  return (
    <Loaded query={query} title={`Runs of ${project}`}>
      {({ sentence, items, total, next_before, mlflow_url, score }) => (
        <>
          <Verdict title={`Runs of ${project}`} sentence={sentence} tone="plain">
            <p className="facts">
              Every candidate and trial: <a href={mlflow_url}>MLflow</a>. Failed trainings stand on the page Automation.
            </p>
          </Verdict>
          {total === 0 && <Empty>Train the first model: touchline train -p {project}, or Train now on the page Automation.</Empty>}
          {chosen.length > 0 ? <Comparison project={project} versions={chosen} /> : total > 0 && <p>Choose one training to see its candidates and its learning curve; two to have their difference tested.</p>}
          {items.length > 0 && <TrainingTable versions={items} chosen={chosen} toggle={toggle} mlflow={mlflow_url} metric={score} />}
          {next_before !== null && (
            <button type="button" onClick={() => show({ before: String(next_before) })}>
              Older trainings
            </button>
          )}
        </>
      )}
    </Loaded>
  );
}

interface TrainingTableProps {
  versions: Version[];
  chosen: string[];
  toggle: (version: string) => void;
  mlflow: string;
  /** What the candidates are chosen by. */
  metric: string;
}

function TrainingTable({ versions, chosen, toggle, mlflow, metric }: TrainingTableProps) {
  const headline = versions[0]?.headline;
  const valueOf = ({ metrics }: Version) => metrics.find(({ name }) => name === metric);
  return (
    <Table
      caption="Trainings, newest first"
      rows={versions}
      keyOf={({ version }) => version}
      isMarked={({ version }) => chosen.includes(String(version))}
      columns={[
        {
          head: "Compare",
          cell: ({ version }) => (
            <label className="check">
              <input type="checkbox" checked={chosen.includes(String(version))} onChange={() => toggle(String(version))} /> version {version}
            </label>
          ),
        },
        { head: "Stage", cell: ({ stage }) => <Badge tone={stage === "Production" ? "good" : stage === "Staging" ? "watch" : "plain"}>{stage}</Badge> },
        { head: "Chosen", cell: ({ name }) => name },
        ...(headline === metric || !headline ? [] : [{ head: headline, cell: ({ metrics }: Version) => decimal(metrics.find(({ name }) => name === headline)?.value), isNumber: true }]),
        { head: `${metric} (chosen by)`, cell: (one) => decimal(valueOf(one)?.value), isNumber: true },
        { head: "95 %", cell: (one) => interval(valueOf(one)?.low, valueOf(one)?.high) },
        { head: "Test rows", cell: ({ rows }) => count(rows), isNumber: true },
        { head: "Test window", cell: ({ test_from, test_to }) => (test_from ? `${day(test_from)} to ${day(test_to)}` : "no time") },
        { head: "Trained (project time)", cell: ({ created_at }) => instant(created_at) },
        { head: "MLflow", cell: ({ run_id }) => <a href={`${mlflow}/#/runs/${run_id}`}>{run_id.slice(0, 8)}</a> },
      ]}
    />
  );
}
