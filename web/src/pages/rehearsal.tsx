import { lazy, Suspense, useMemo } from "react";
import { type Documents, queries } from "../api/client";
import { Empty, Loaded, Loading } from "../components/states";
import { Table } from "../components/table";
import { Verdict } from "../components/verdict";
import { count, day, decimal, duration, instant, share } from "../format";
import type { PageProps } from "./page_props";

const LineChart = lazy(() => import("../components/line_chart").then((found) => ({ default: found.LineChart })));
type Rehearsal = Documents["RehearsalDocument"];
type Policy = Documents["RehearsedPolicy"];
const DAY_SECONDS = 86_400;

/** What each policy of retraining would have done over the years, and its regret to the best schedule in hindsight. */
export function RehearsalPage({ project, view, show }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/rehearsals", { params: { path: { name: project } } });
  return (
    <Loaded query={query} title={`Rehearsal of ${project}`}>
      {({ sentence, items }) => {
        const chosen = view.rehearsal ?? items[0]?.id;
        return (
          <>
            <Verdict title={`Rehearsal of ${project}`} sentence={sentence} tone="plain" />
            {chosen === undefined ? <Empty>A rehearsal goes through the ingested history with a simulated clock, once for each policy of retraining, and takes minutes to hours. It is started on the command line, and stands here when it has ended.</Empty> : <Report project={project} rehearsal={chosen} />}
            {items.length > 1 && (
              <Table
                caption="Rehearsals, newest first"
                rows={items}
                keyOf={({ id }) => id}
                isMarked={({ id }) => id === chosen}
                columns={[
                  {
                    head: "Ended (wall clock)",
                    cell: ({ id, at }) => (
                      <button type="button" className="link" onClick={() => show({ rehearsal: id })}>
                        {instant(at)}
                      </button>
                    ),
                  },
                  { head: "Years", cell: ({ first, last }) => `${day(first)} to ${day(last)}` },
                  { head: "Predictions", cell: ({ predictions }) => count(predictions), isNumber: true },
                  { head: "Policies", cell: ({ policies }) => policies.join(", ") },
                  { head: "Recommendation", cell: ({ recommendation }) => recommendation, isText: true },
                ]}
              />
            )}
          </>
        );
      }}
    </Loaded>
  );
}

function Report({ project, rehearsal }: { project: string; rehearsal: string }) {
  const query = queries.useQuery("get", "/api/projects/{name}/rehearsals/{rehearsal}", { params: { path: { name: project, rehearsal } } }, { refetchInterval: false });
  return (
    <Loaded query={query}>
      {(report) => (
        <section aria-label="Report">
          <p className="facts">
            {day(report.first)} to {day(report.last)}, {count(report.predictions)} predictions. The best schedule in hindsight retrains {decimal(report.yardstick.retrainings, 1)} times and has a {report.score} of {decimal(report.yardstick.loss)}; no policy could have known it.
          </p>
          <Regret report={report} />
          <Policies report={report} />
          <Seasons report={report} />
          <p className="facts">{report.left_out}</p>
        </section>
      )}
    </Loaded>
  );
}

function Regret({ report }: { report: Rehearsal }) {
  const { results, first_prediction, step_days } = report;
  const steps = Math.max(0, ...results.map(({ weekly_regret }) => weekly_regret.length));
  const x = useMemo(() => Array.from({ length: steps }, (_, step) => Date.parse(first_prediction) / 1000 + step * step_days * DAY_SECONDS), [steps, first_prediction, step_days]);
  const series = useMemo(() => results.map(({ name, weekly_regret }) => ({ name, values: x.map((_, step) => weekly_regret[step] ?? null) })), [results, x]);
  if (steps < 2) return null;
  return (
    <Suspense fallback={<Loading />}>
      <LineChart title="Regret so far: a policy that falls behind rises, one as good as the best schedule is flat" x={x} series={series} />
    </Suspense>
  );
}

const withError = (value: number | null, error: number | null) => (value === null ? "–" : `${decimal(value, 1)}${error === null ? "" : ` ± ${decimal(error, 1)}`}`);

function Policies({ report }: { report: Rehearsal }) {
  return (
    <Table<Policy>
      caption="Policies. Gain and regret are sums of losses; ± is the standard error between seasons"
      rows={report.results}
      keyOf={({ name }) => name}
      columns={[
        { head: "Policy", cell: ({ name }) => name },
        { head: report.score, cell: ({ loss }) => decimal(loss), isNumber: true },
        { head: "Gain on never", cell: ({ gain, gain_error, name }) => (name === "never" ? "–" : withError(gain, gain_error)), isNumber: true },
        { head: "Regret", cell: ({ regret, regret_error }) => withError(regret, regret_error), isNumber: true },
        { head: "Of never's", cell: ({ regret_of_never }) => (regret_of_never === null ? "–" : share(regret_of_never)), isNumber: true },
        { head: "Trainings", cell: ({ trainings, failed_trainings }) => `${trainings}${failed_trainings > 0 ? ` (${failed_trainings} failed)` : ""}`, isNumber: true },
        { head: "Changes", cell: ({ changes_of_production }) => changes_of_production, isNumber: true },
        { head: "Rollbacks", cell: ({ rollbacks }) => rollbacks, isNumber: true },
        { head: "Alarms", cell: ({ alarms, false_alarms }) => `${alarms} (${false_alarms} false)`, isNumber: true },
        { head: "Time", cell: ({ seconds }) => duration(seconds), isNumber: true },
      ]}
    />
  );
}

function Seasons({ report }: { report: Rehearsal }) {
  const seasons = [...new Set(report.results.flatMap(({ seasons: own }) => Object.keys(own)))];
  if (seasons.length < 2) return null;
  return (
    <Table
      caption={`${report.score} by year`}
      rows={seasons}
      keyOf={(season) => season}
      columns={[{ head: "Year", cell: (season) => season }, ...report.results.map(({ name, seasons: own }) => ({ head: name, cell: (season: string) => decimal(own[season]), isNumber: true }))]}
    />
  );
}
