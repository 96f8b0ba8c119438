import { lazy, Suspense, useMemo } from "react";
import type { Documents } from "../api/client";
import { Intervals } from "../components/intervals";
import { Empty, Loading } from "../components/states";
import { Table } from "../components/table";
import { isInRange, TimeRange } from "../components/time_range";
import { decimal } from "../format";
import type { PageProps, View } from "./page_props";

const LineChart = lazy(() => import("../components/line_chart").then((found) => ({ default: found.LineChart })));
type Performance = Documents["PerformanceDocument"];
type Slice = Documents["SliceDetail"];

/** What is drawn: all predictions, or the rows of one slice. */
export interface Figures {
  score: string;
  metrics: Performance["metrics"];
  calibration: Performance["calibration"];
  trend: Performance["trend"];
  /** The measured loss. */
  loss: Performance["metrics"][number] | null;
  /** Of all predictions only: the alarm, and the estimate of those without an outcome. */
  limit: number | null;
  estimate: Performance["estimate"];
  slice: Slice | null;
}

export function figuresOf(performance: Performance, slice: Slice | null): Figures {
  const { score, metrics, calibration, trend, alarm_limit, estimate } = performance;
  if (slice !== null) return { score, ...slice, limit: null, estimate: null, slice };
  return { score, metrics, calibration, trend, loss: metrics.find(({ name }) => name === score) ?? null, limit: alarm_limit, estimate, slice: null };
}

/** The measured loss beside the release's figure, and the loss by day. */
export function Loss({ figures, view, show }: { figures: Figures; view: View; show: PageProps["show"] }) {
  const { score, loss, estimate, metrics, slice } = figures;
  const trend = useMemo(() => figures.trend.filter(({ day }) => isInRange(day, view)), [figures.trend, view]);
  const days = useMemo(() => trend.map(({ day }) => Date.parse(day) / 1000), [trend]);
  const series = useMemo(() => [{ name: score, values: trend.map((one) => one.loss) }], [trend, score]);
  const limit = useMemo(() => (figures.limit === null ? undefined : { name: "limit", value: figures.limit }), [figures.limit]);
  const measured = loss === null ? [] : [{ label: "measured", value: loss.value, low: loss.low, high: loss.high, mark: loss.test, isStrong: true }];
  const others = slice === null || slice.others === null || loss === null ? [] : [{ label: "all other rows", value: slice.others, low: null, high: null }];
  const estimated = estimate === null ? [] : [{ label: "estimated, no outcome yet", value: estimate.value, low: estimate.low, high: estimate.high, mark: estimate.reference_loss }];
  return (
    <section>
      <h2>{slice === null ? "Loss" : `Loss where ${slice.field} = ${slice.value}`}</h2>
      {slice !== null && <p data-testid="slice">{slice.message}</p>}
      {metrics.length === 0 && estimate === null && <Empty>No figure yet. It needs predictions with outcomes: send predictions, and ingest what was observed later.</Empty>}
      <Intervals title={`${score}, with 95 % intervals`} rows={[...measured, ...others, ...estimated]} markName={slice === null ? "loss of the test window, or of labelled rows" : "loss of the test rows of this slice"} />
      {estimate !== null && <p>{estimate.note}.</p>}
      {figures.trend.length > 1 && (
        <div className="filters">
          <TimeRange view={view} show={show} />
        </div>
      )}
      {figures.trend.length > 1 && days.length < 2 && <Empty>Fewer than two days with outcomes are in this range.</Empty>}
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

export function Calibration({ figures }: { figures: Figures }) {
  if (figures.calibration.length === 0) return null;
  const rows = figures.calibration.map(({ output, observed, low, high, predicted }) => ({ label: output, value: observed, low, high, mark: predicted }));
  return (
    <section>
      <h2>Calibration{figures.slice !== null && ` where ${figures.slice.field} = ${figures.slice.value}`}</h2>
      <Intervals title="Observed share, with its 95 % interval" rows={rows} markName="mean predicted" />
    </section>
  );
}
