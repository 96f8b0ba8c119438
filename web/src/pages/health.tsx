import { type Documents, queries } from "../api/client";
import { Empty, Loaded } from "../components/states";
import { type Tone, Verdict } from "../components/verdict";
import { count, duration, instant } from "../format";
import { Cause } from "./health_cause";
import { DriftSection } from "./health_drift";
import { Calibration, figuresOf, Loss } from "./health_loss";
import { SliceChoice, SliceTable } from "./health_slices";
import { IncidentList } from "./incident_list";
import type { PageProps } from "./page_props";

type Performance = Documents["PerformanceDocument"];
const TONES: Record<Performance["state"], Tone> = { not_enough_data: "plain", unwatched: "watch", stable: "good", degraded: "bad" };

/** Drift, an estimate above the reference, or a loss that is not watched are no incident and no calm either. */
function toneOf(performance: Performance | null, findings: readonly string[]): Tone {
  if (performance?.state === "degraded") return "bad";
  return findings.length > 0 ? "watch" : TONES[performance?.state ?? "not_enough_data"];
}

/** Loss as it was measured and as it is estimated, calibration, incidents with their causes, drift by column. */
export function HealthPage({ project, view, show }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/model/performance", { params: { path: { name: project }, query: view.slice === undefined ? {} : { slice: view.slice } } });
  return (
    <Loaded query={query} title={`Health of ${project}`}>
      {({ sentence, findings, performance, slice }) => (
        <>
          <Verdict title={`Health of ${project}`} sentence={sentence} tone={toneOf(performance, findings)}>
            {performance !== null && <Maturity performance={performance} />}
          </Verdict>
          {performance === null && <Empty>A check needs predictions with outcomes. It runs daily where a schedule does, or by hand: touchline monitor performance -p {project}</Empty>}
          {performance !== null && performance.notes.map((note) => <p key={note}>{note}</p>)}
          {performance !== null && (
            <>
              <SliceChoice slices={performance.slices} slice={slice} show={show} />
              <Loss figures={figuresOf(performance, slice)} view={view} show={show} />
              <Calibration figures={figuresOf(performance, slice)} />
              <SliceTable slices={performance.slices} score={performance.score} chosen={view.slice} show={show} />
            </>
          )}
          <IncidentList project={project} chosen={view.incident} show={show} onlyOpen />
          <Cause project={project} />
          <DriftSection project={project} slice={view.slice} />
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
      {open > 0 && `; ${count(open)} have no outcome that counts`}.
    </p>
  );
}
