import { lazy, Suspense, useMemo, useState } from "react";
import { type Documents, queries } from "../api/client";
import { Intervals } from "../components/intervals";
import { Empty, Failure, Loaded, Loading } from "../components/states";
import { Table } from "../components/table";
import { isInRange, TimeRange } from "../components/time_range";
import { type Tone, Verdict } from "../components/verdict";
import { count, decimal, duration, instant, share } from "../format";
import { DriftSection } from "./health_drift";
import { IncidentList } from "./incident_list";
import type { PageProps, View } from "./page_props";

const LineChart = lazy(() => import("../components/line_chart").then((found) => ({ default: found.LineChart })));
type Performance = Documents["PerformanceDocument"];
const TONES: Record<Performance["state"], Tone> = { not_enough_data: "plain", stable: "good", degraded: "bad" };

/** Drift, or an estimate above the reference, is no incident and no calm either. */
function toneOf(performance: Performance | null, findings: readonly string[]): Tone {
  if (performance?.state === "degraded") return "bad";
  return findings.length > 0 ? "watch" : TONES[performance?.state ?? "not_enough_data"];
}

/** Loss as it was measured and as it is estimated, calibration, incidents with their causes, drift by column. */
export function HealthPage({ project, view, show }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/model/performance", { params: { path: { name: project } } });
  return (
    <Loaded query={query} title={`Health of ${project}`}>
      {({ sentence, findings, performance }) => (
        <>
          <Verdict title={`Health of ${project}`} sentence={sentence} tone={toneOf(performance, findings)}>
            {performance !== null && <Maturity performance={performance} />}
          </Verdict>
          {performance === null && <Empty>A check needs predictions with outcomes. It runs daily where a schedule does, or by hand: touchline monitor performance -p {project}</Empty>}
          {performance !== null && performance.notes.map((note) => <p key={note}>{note}</p>)}
          {performance !== null && <Loss performance={performance} view={view} show={show} />}
          {performance !== null && <Calibration performance={performance} />}
          <IncidentList project={project} chosen={view.incident} show={show} onlyOpen />
          <Cause project={project} />
          <DriftSection project={project} />
        </>
      )}
    </Loaded>
  );
}

function Maturity({ performance }: { performance: Performance }) {
  const { rows, young, open, mature_after_seconds, at } = performance;
  return (
    <p className="facts">
      Checked {instant(at)} (project time). {count(rows)} predictions of the version in Production count
      {mature_after_seconds !== null && young > 0 && `; ${count(young)} are younger than ${duration(mature_after_seconds)}`}
      {open > 0 && `; ${count(open)} have no outcome`}.
    </p>
  );
}

function Loss({ performance, view, show }: { performance: Performance; view: View; show: PageProps["show"] }) {
  const { score, alarm_limit, estimate, metrics } = performance;
  const trend = useMemo(() => performance.trend.filter(({ day }) => isInRange(day, view)), [performance.trend, view]);
  const days = useMemo(() => trend.map(({ day }) => Date.parse(day) / 1000), [trend]);
  const series = useMemo(() => [{ name: score, values: trend.map(({ loss }) => loss) }], [trend, score]);
  const limit = useMemo(() => (alarm_limit === null ? undefined : { name: "limit", value: alarm_limit }), [alarm_limit]);
  const estimated = estimate === null ? [] : [{ label: "estimated, no outcome yet", value: estimate.value, low: estimate.low, high: estimate.high, mark: estimate.reference_loss }];
  const rows = metrics.slice(0, 1).map(({ value, low, high, test }) => ({ label: "measured", value, low, high, mark: test, isStrong: true }));
  return (
    <section>
      <h2>Loss</h2>
      {metrics.length === 0 && estimate === null && <Empty>No figure yet. It needs predictions with outcomes: send predictions, and ingest what was observed later.</Empty>}
      <Intervals title={`${score}, with 95 % intervals`} rows={[...rows, ...estimated]} markName="loss of the test window, or of labelled rows" />
      {estimate !== null && <p>{estimate.note}.</p>}
      {performance.trend.length > 1 && (
        <div className="filters">
          <TimeRange view={view} show={show} />
        </div>
      )}
      {performance.trend.length > 1 && days.length < 2 && <Empty>Fewer than two days with outcomes are in this range.</Empty>}
      {days.length > 1 && (
        <Suspense fallback={<Loading />}>
          <LineChart title={`${score} by day`} x={days} series={series} limit={limit} />
        </Suspense>
      )}
      {metrics.length > 0 && (
        <Table
          caption="Settled predictions beside the test window"
          rows={metrics}
          keyOf={({ name }) => name}
          columns={[
            { head: "Metric", cell: ({ name }) => name },
            { head: "Live", cell: ({ value }) => decimal(value), isNumber: true },
            { head: "95 %", cell: ({ low, high }) => (low === null ? "" : `${decimal(low)} to ${decimal(high)}`) },
            { head: "Test window", cell: ({ test }) => decimal(test), isNumber: true },
            { head: "Baseline", cell: ({ baseline }) => decimal(baseline), isNumber: true },
          ]}
        />
      )}
    </section>
  );
}

function Calibration({ performance }: { performance: Performance }) {
  if (performance.calibration.length === 0) return null;
  const rows = performance.calibration.map(({ output, observed, low, high, predicted }) => ({ label: output, value: observed, low, high, mark: predicted }));
  return (
    <section>
      <h2>Calibration</h2>
      <Intervals title="Observed share, with its 95 % interval" rows={rows} markName="mean predicted" />
    </section>
  );
}

/** Computed when it is asked for, since it takes seconds. */
function Cause({ project }: { project: string }) {
  const [isAsked, setAsked] = useState(false);
  const query = queries.useQuery("get", "/api/projects/{name}/model/cause", { params: { path: { name: project } } }, { enabled: isAsked, refetchInterval: false });
  return (
    <section>
      <h2>Cause</h2>
      {!isAsked && (
        <button type="button" onClick={() => setAsked(true)}>
          Explain the loss
        </button>
      )}
      {isAsked && query.error && <Failure error={query.error} />}
      {isAsked && !query.error && (
        <Loaded query={query}>
          {(cause) => (
            <>
              <p data-testid="cause">{cause.sentence}</p>
              {cause.facts.map((fact) => (
                <p key={fact}>Upstream: {fact}</p>
              ))}
              {cause.causes.length > 0 && (
                <Table
                  caption="Causes by the share of the change that they explain"
                  rows={cause.causes}
                  keyOf={({ kind, name }) => `${kind} ${name}`}
                  columns={[
                    { head: "Cause", cell: ({ kind, name }) => `${kind} ${name}` },
                    { head: "Explains", cell: (one) => share(one.share), isNumber: true },
                    { head: "Detail", cell: ({ detail }) => detail, isText: true },
                  ]}
                />
              )}
            </>
          )}
        </Loaded>
      )}
    </section>
  );
}
