import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Documents, queries } from "../api/client";
import { Failure, Loaded } from "../components/states";
import { Table } from "../components/table";
import { Badge, Verdict } from "../components/verdict";
import { anyValue, duration, instant } from "../format";
import { ContributionBars } from "./contributions";
import { Lineage } from "./lineage";

/** One prediction: what each column added, how old its features were, where everything came from, and its replay. */
export function PredictionDetail({ project, prediction }: { project: string; prediction: string }) {
  const params = { path: { name: project, prediction_id: prediction } };
  const once = { refetchInterval: false as const, staleTime: 60_000 };
  const trace = queries.useQuery("get", "/api/projects/{name}/predictions/{prediction_id}", { params }, once);
  const contributions = queries.useQuery("get", "/api/projects/{name}/predictions/{prediction_id}/contributions", { params }, once);
  return (
    <Loaded query={trace} title={`Prediction ${prediction}`}>
      {(found) => (
        <>
          <Verdict title={`Prediction ${found.prediction_id}`} sentence={found.sentence} tone="plain">
            <p className="facts">
              {Object.values(found.entity_keys).map(String).join(" – ") || found.example_id}. Cutoff {instant(found.cutoff)} (project time), answered {instant(found.answered_at)} (wall clock).{" "}
              <Link to="/ui/$project/$page" params={{ project, page: "explain" }} search={{}}>
                All predictions
              </Link>
            </p>
          </Verdict>
          <section>
            <h2>Contributions</h2>
            {contributions.error ? <Failure error={contributions.error} /> : <Loaded query={contributions}>{(one) => <ContributionBars found={one} />}</Loaded>}
          </section>
          <Features views={found.views} inputs={found.inputs} />
          <Lineage trace={found} />
          <Replay project={project} prediction={prediction} />
        </>
      )}
    </Loaded>
  );
}

function Features({ views, inputs }: { views: Documents["ViewOfPrediction"][]; inputs: Record<string, unknown> }) {
  const given = Object.entries(inputs);
  return (
    <section>
      <h2>Features</h2>
      {views.length > 0 && (
        <Table
          caption="Values used, by feature view, with their age at the cutoff"
          rows={views}
          keyOf={({ label }) => label}
          columns={[
            { head: "View", cell: ({ label }) => label },
            { head: "Status", cell: ({ status }) => <Badge tone={status === "present" ? "good" : "watch"}>{status}</Badge> },
            { head: "Age", cell: ({ age_seconds }) => duration(age_seconds), isNumber: true },
            { head: "Known since (project time)", cell: ({ event_timestamp }) => instant(event_timestamp) },
            { head: "Version", cell: ({ feature_version }) => feature_version },
          ]}
        />
      )}
      {views.length === 0 && <p>No feature view: all values came with the request.</p>}
      {given.length > 0 && (
        <dl>
          {given.map(([name, value]) => [<dt key={name}>{name} (request)</dt>, <dd key={`${name}-value`}>{anyValue(value)}</dd>])}
        </dl>
      )}
    </section>
  );
}

function Replay({ project, prediction }: { project: string; prediction: string }) {
  const [isAsked, setAsked] = useState(false);
  const params = { path: { name: project, prediction_id: prediction } };
  const query = queries.useQuery("get", "/api/projects/{name}/predictions/{prediction_id}/replay", { params }, { enabled: isAsked, refetchInterval: false });
  return (
    <section>
      <h2>Replay</h2>
      {!isAsked && (
        <button type="button" onClick={() => setAsked(true)}>
          Compute it again
        </button>
      )}
      {isAsked && (query.error ? <Failure error={query.error} /> : (
        <Loaded query={query}>
          {({ sentence, matches, features }) => (
            <p>
              <Badge tone={matches ? "good" : "bad"}>{matches ? "same" : "different"}</Badge> <span data-testid="replay">{sentence}</span> Features against history: {features}.
            </p>
          )}
        </Loaded>
      ))}
    </section>
  );
}
