import { useEffect, useState } from "react";
import { api, type Documents } from "../api/client";
import { eventDocuments } from "../api/events";
import { Failure, Loading } from "../components/states";
import { Table } from "../components/table";
import { Badge } from "../components/verdict";
import { instant } from "../format";

type RunWithSteps = Documents["RunWithSteps"];

/** A run with its steps, as the server sends them while it goes on. */
export function RunSteps({ project, run }: { project: string; run: string }) {
  const [found, setFound] = useState<RunWithSteps>();
  const [error, setError] = useState<unknown>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    const follow = async () => {
      const params = { path: { name: project, run_id: run } };
      const { data, error: problem } = await api.GET("/api/projects/{name}/training/runs/{run_id}/events", { params, parseAs: "stream", signal: stop.signal });
      if (problem !== undefined) return setError(problem);
      if (data) for await (const one of eventDocuments(data as ReadableStream<Uint8Array>)) setFound(one as RunWithSteps);
    };
    follow().catch((thrown: unknown) => {
      if (!stop.signal.aborted) setError(thrown);
    });
    return () => stop.abort();
  }, [project, run, attempt]);
  const retry = () => {
    setError(undefined);
    setAttempt(attempt + 1);
  };
  if (error !== undefined) return <Failure error={error} retry={retry} />;
  if (found === undefined) return <Loading />;
  return (
    <section className="detail" aria-live="polite">
      <h2>
        Run {run} <Badge tone={found.run.finished_at === null ? "watch" : "plain"}>{found.run.status}</Badge>
      </h2>
      {found.run.failure !== null && <p className="failure">{found.run.failure}</p>}
      <Table
        caption="Steps"
        rows={found.steps}
        keyOf={({ name, attempt }) => `${name} ${attempt}`}
        columns={[
          { head: "Step", cell: ({ name }) => name },
          { head: "Attempt", cell: ({ attempt }) => attempt, isNumber: true },
          { head: "Status", cell: ({ status }) => status },
          { head: "Started (wall clock)", cell: ({ started_at }) => instant(started_at) },
          { head: "Ended", cell: ({ finished_at }) => instant(finished_at) },
        ]}
      />
    </section>
  );
}
