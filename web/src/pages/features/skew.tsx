import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, answered, type Documents, queries } from "../../api/client";
import { problemOf } from "../../api/problem";
import { Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge } from "../../components/verdict";
import { count, decimal, instant } from "../../format";
import { useSession } from "../../shell/session";

const SAMPLE = 1000;

/** The features that requests were answered with, against those that history gives. */
export function Skew({ project }: { project: string }) {
  const query = queries.useQuery("get", "/api/projects/{name}/model/skew", { params: { path: { name: project } } });
  return (
    <section aria-label="Skew">
      <h2>Skew: served against offline</h2>
      <Loaded query={query}>
        {(skew) => (
          <>
            <p>
              {skew.checked > 0 && <Badge tone={skew.mismatched > 0 ? "bad" : "good"}>{skew.mismatched > 0 ? "skewed" : "equal"}</Badge>} <span data-testid="skew">{skew.sentence}</span>
            </p>
            {skew.verified_at !== null && (
              <p className="facts">
                Checked {instant(skew.verified_at)} (wall clock); {count(skew.fallback_rows)} answered by a fall-back are not counted.
              </p>
            )}
            {skew.release !== null && <CheckNow project={project} />}
            <Differences project={project} skew={skew} />
          </>
        )}
      </Loaded>
    </section>
  );
}

/** It changes nothing that predicts, so it asks for no reason. */
function CheckNow({ project }: { project: string }) {
  const client = useQueryClient();
  const session = useSession();
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const check = async () => {
    setBusy(true);
    setFailure(undefined);
    try {
      await answered(api.POST("/api/projects/{name}/model/skew", { params: { path: { name: project } }, body: { sample: SAMPLE } }));
      await client.invalidateQueries();
    } catch (thrown) {
      const { title, detail } = problemOf(thrown);
      setFailure(`${title}. ${detail}`);
    } finally {
      setBusy(false);
    }
  };
  return (
    <span className="act">
      <button type="button" disabled={isBusy || session.refusal !== null} aria-describedby="why-skew" onClick={() => void check()}>
        {isBusy ? "Checking…" : "Check now"}
      </button>
      <small id="why-skew">{session.refusal ?? `Computes up to ${count(SAMPLE)} logged vectors again from history.`}</small>
      {failure !== undefined && <p role="alert" className="failure">{failure}</p>}
    </span>
  );
}

function Differences({ project, skew }: { project: string; skew: Documents["SkewDocument"] }) {
  if (skew.mismatched === 0) return null;
  return (
    <>
      <Table
        caption="Features by the number of vectors that differ"
        rows={skew.columns}
        keyOf={({ column }) => column}
        columns={[
          { head: "Feature", cell: ({ column }) => column },
          { head: "Vectors", cell: ({ vectors }) => count(vectors), isNumber: true },
        ]}
      />
      <Table
        caption="First differences; choose a prediction to see where its values came from"
        rows={skew.mismatches}
        keyOf={({ prediction_id, column }) => `${prediction_id} ${column}`}
        columns={[
          {
            head: "Prediction",
            cell: ({ prediction_id }) => (
              <Link to="/ui/$project/$page" params={{ project, page: "explain" }} search={{ prediction: prediction_id }}>
                {prediction_id}
              </Link>
            ),
          },
          { head: "Feature", cell: ({ column }) => column },
          { head: "Served", cell: ({ served_value }) => decimal(served_value), isNumber: true },
          { head: "Offline", cell: ({ offline_value }) => decimal(offline_value), isNumber: true },
        ]}
      />
    </>
  );
}
