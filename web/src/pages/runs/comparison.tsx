import { lazy, Suspense, useMemo } from "react";
import { type Documents, queries } from "../../api/client";
import { Empty, Loaded, Loading } from "../../components/states";
import { Table } from "../../components/table";
import { count, decimal, duration } from "../../format";

const LineChart = lazy(() => import("../../components/line_chart").then((found) => ({ default: found.LineChart })));
type Training = Documents["TrainingDocument"];

/** Trainings side by side, with the verdict on their difference where they are two. */
export function Comparison({ project, versions }: { project: string; versions: string[] }) {
  const params = { path: { name: project }, query: { version: versions } };
  const query = queries.useQuery("get", "/api/projects/{name}/trainings/comparison", { params }, { refetchInterval: false });
  return (
    <section className="detail" aria-label="Comparison">
      <h2>{versions.length === 1 ? `Version ${versions[0]}` : "Comparison"}</h2>
      <Loaded query={query}>
        {({ sentence, trainings, settings, score }) => (
          <>
            <p data-testid="comparison">{sentence}</p>
            <Metrics trainings={trainings} />
            {settings.length > 0 && (
              <Table
                caption="Settings that differ"
                rows={settings}
                keyOf={({ name }) => name}
                columns={[{ head: "Setting", cell: ({ name }) => name }, ...trainings.map(({ summary }, place) => ({ head: `version ${summary.version}`, cell: ({ values }: Documents["DifferentSetting"]) => values[place] ?? "–" }))]}
              />
            )}
            {trainings.map((training) => (
              <Candidates key={training.summary.version} training={training} score={score} />
            ))}
            <LearningCurves trainings={trainings} score={score} />
          </>
        )}
      </Loaded>
    </section>
  );
}

function Metrics({ trainings }: { trainings: Training[] }) {
  const names = [...new Set(trainings.flatMap(({ summary }) => summary.metrics.map(({ name }) => name)))];
  const valueOf = (training: Training, name: string) => training.summary.metrics.find((one) => one.name === name);
  return (
    <Table
      caption="Metrics, each on the training's own test window"
      rows={names}
      keyOf={(name) => name}
      columns={[
        { head: "Metric", cell: (name) => name },
        ...trainings.map((training) => ({
          head: `version ${training.summary.version}`,
          cell: (name: string) => {
            const metric = valueOf(training, name);
            return `${decimal(metric?.value)}${typeof metric?.low === "number" ? ` (${decimal(metric.low)} to ${decimal(metric.high)})` : ""}`;
          },
        })),
      ]}
    />
  );
}

function Candidates({ training, score }: { training: Training; score: string }) {
  const { summary, candidates, seconds } = training;
  if (candidates.length === 0) return <Empty>Version {summary.version} chose among no candidates: it recalibrates another version.</Empty>;
  return (
    <Table
      caption={`Candidates of version ${summary.version} on the validation rows${seconds === null ? "" : `, trained in ${duration(seconds)}`}`}
      rows={candidates}
      keyOf={({ name }) => name}
      isMarked={({ name }) => name === summary.name}
      columns={[
        { head: "Candidate", cell: ({ name }) => name },
        { head: score, cell: (one) => decimal(one.score), isNumber: true },
        { head: "Calibration", cell: ({ calibration }) => calibration },
        { head: "Time", cell: (one) => duration(one.seconds), isNumber: true },
        { head: "Failure", cell: ({ error }) => error ?? "", isText: true },
      ]}
    />
  );
}

function LearningCurves({ trainings, score }: { trainings: Training[]; score: string }) {
  const x = useMemo(() => [...new Set(trainings.flatMap(({ learning_curve }) => learning_curve.map(({ rows }) => rows)))].sort((one, other) => one - other), [trainings]);
  const series = useMemo(
    () => trainings.map(({ summary, learning_curve }) => ({ name: `version ${summary.version}`, values: x.map((rows) => learning_curve.find((point) => point.rows === rows)?.score ?? null) })),
    [trainings, x],
  );
  if (x.length < 2) return <Empty>No learning curve was recorded: Training(learning_curve=True) fits the winner on parts of the rows.</Empty>;
  return (
    <>
      <Suspense fallback={<Loading />}>
        <LineChart title={`Learning curve: test ${score} by training rows`} x={x} isTime={false} xName="rows" series={series} />
      </Suspense>
      <Table
        caption="Learning curve"
        rows={x}
        keyOf={(rows) => rows}
        columns={[{ head: "Training rows", cell: (rows) => count(rows), isNumber: true }, ...series.map(({ name, values }) => ({ head: name, cell: (rows: number) => decimal(values[x.indexOf(rows)]), isNumber: true }))]}
      />
    </>
  );
}
