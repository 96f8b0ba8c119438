import { useState } from "react";
import { api, answered, type Documents, queries } from "../../api/client";
import { Intervals } from "../../components/intervals";
import { Empty, Loaded } from "../../components/states";
import { instant } from "../../format";
import { Acts } from "./acts";
import { Gates } from "./gates";

interface VersionDetailProps {
  project: string;
  version: string;
  close: () => void;
}

/** One version: its gates with their numbers, its metrics, its inputs, its own part of the journal, what can be done. */
export function VersionDetail({ project, version, close }: VersionDetailProps) {
  const params = { path: { name: project, version } };
  const query = queries.useQuery("get", "/api/projects/{name}/models/{version}", { params });
  return (
    <section className="detail" aria-label={`Version ${version}`}>
      <Loaded query={query}>
        {(detail) => (
          <>
            <div className="detail-head">
              <h2>
                Version {detail.summary.version} ({detail.summary.semantic_version}), {detail.summary.stage}
              </h2>
              <button type="button" onClick={close}>
                Close
              </button>
            </div>
            <Acts project={project} detail={detail} />
            <h3>Gates</h3>
            {detail.gates.length === 0 ? (
              <Empty>No gate has looked at this version yet. Promote shows what they would say before it does anything.</Empty>
            ) : (
              <Gates gates={detail.gates} at={detail.gates_at} />
            )}
            <Intervals title="Test window, beside the constant baseline" markName="constant baseline" rows={detail.summary.metrics.filter(({ name }) => name === detail.summary.headline).map(metricRow)} />
            <Metrics metrics={detail.summary.metrics} />
            <Origin project={project} detail={detail} />
          </>
        )}
      </Loaded>
    </section>
  );
}

function metricRow({ name, value, low, high, baseline }: Documents["MetricHealth"]) {
  return { label: name, value, low, high, mark: baseline };
}

function Metrics({ metrics }: { metrics: Documents["MetricHealth"][] }) {
  return (
    <details>
      <summary>All {metrics.length} metrics</summary>
      {metrics.map((metric) => (
        <Intervals key={metric.name} title={metric.name} rows={[metricRow(metric)]} markName="constant baseline" />
      ))}
    </details>
  );
}

function Origin({ project, detail }: { project: string; detail: Documents["VersionDetail"] }) {
  const { summary, hashes, changes } = detail;
  return (
    <details>
      <summary>Origin and journal</summary>
      <dl>
        <dt>MLflow run</dt>
        <dd>{summary.run_id}</dd>
        <dt>Release</dt>
        <dd>{summary.release_id ?? "none: it was never in Staging"}</dd>
        {Object.entries(hashes).map(([name, hash]) => [<dt key={name}>{name}</dt>, <dd key={`${name}-hash`}>{hash}</dd>])}
      </dl>
      <ol className="timeline">
        {changes.map((change) => (
          <li key={change.sequence}>
            {instant(change.at)} {change.from_stage} → {change.to_stage}, by {change.actor}: {change.reason}
            {change.ticket !== null && ` (${change.ticket})`}
          </li>
        ))}
      </ol>
      <Card project={project} version={String(summary.version)} />
    </details>
  );
}

/** The model card is a page of its own, which needs the key: it is fetched, and shown in a frame that runs nothing. */
function Card({ project, version }: { project: string; version: string }) {
  const [html, setHtml] = useState<string>();
  const [failure, setFailure] = useState<string>();
  const open = async () => {
    try {
      setHtml(await answered(api.GET("/api/projects/{name}/models/{version}/card", { params: { path: { name: project, version } }, parseAs: "text" })));
    } catch (thrown) {
      setFailure(String((thrown as { detail?: string }).detail ?? thrown));
    }
  };
  if (html !== undefined) return <iframe className="model-card" title={`Model card of version ${version}`} sandbox="" srcDoc={html} />;
  return (
    <p>
      <button type="button" onClick={() => void open()}>
        Show the model card
      </button>
      {failure !== undefined && <span role="alert"> {failure}</span>}
    </p>
  );
}
