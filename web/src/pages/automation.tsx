import { useState } from "react";
import { api, answered, type Documents, queries } from "../api/client";
import { ChangeDialog } from "../components/change_dialog";
import { Empty, Loaded } from "../components/states";
import { Table } from "../components/table";
import { Badge, type Tone, Verdict } from "../components/verdict";
import { instant } from "../format";
import { useSession } from "../shell/session";
import type { PageProps } from "./page_props";
import { RunSteps } from "./run_steps";

const NOBODY = "No scheduler runs that would take it: touchline up, or touchline schedule run.";
const TONES: Record<string, Tone> = { done: "good", running: "watch", queued: "watch", failed: "bad", refused: "watch" };

/** The schedule, what runs with its steps as they happen, what ran, and a training on request. */
export function AutomationPage({ project, view, show }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/training/automated/status", { params: { path: { name: project } } }, { refetchInterval: 5_000 });
  return (
    <Loaded query={query} title={`Automation of ${project}`}>
      {(status) => (
        <>
          <Verdict title={`Automation of ${project}`} sentence={status.sentence} tone={status.is_paused || (status.waiting.length > 0 && !status.has_scheduler) ? "watch" : "good"}>
            <p className="facts">
              Schedule {status.schedule ?? "none"}, project time {instant(status.now)}
            </p>
          </Verdict>
          <RunNow project={project} isWaiting={status.waiting.length > 0 && !status.is_paused} hasScheduler={status.has_scheduler} />
          {view.run !== undefined && <RunSteps key={view.run} project={project} run={view.run} />}
          {status.newest.length === 0 ? <Empty>No run yet. The scheduler of touchline up makes one when it is due; the button makes one now.</Empty> : <Runs runs={status.newest} chosen={view.run} show={show} />}
        </>
      )}
    </Loaded>
  );
}

function Runs({ runs, chosen, show }: { runs: Documents["RunDocument"][]; chosen: string | undefined; show: PageProps["show"] }) {
  return (
    <Table
      caption="Runs, newest first"
      rows={runs}
      keyOf={({ id }) => id}
      isMarked={({ id }) => id === chosen}
      columns={[
        {
          head: "Run",
          cell: ({ id, job }) => (
            <button type="button" className="link" onClick={() => show({ run: id })}>
              {job} {id.slice(-6)}
            </button>
          ),
        },
        { head: "Status", cell: ({ status }) => <Badge tone={TONES[status] ?? "plain"}>{status}</Badge> },
        { head: "Trigger", cell: ({ trigger, actor, reason }) => `${trigger}, ${actor}${reason ? `: ${reason}` : ""}`, isText: true },
        { head: "Asked for (wall clock)", cell: ({ requested_at }) => instant(requested_at) },
        { head: "Ended (wall clock)", cell: ({ finished_at }) => instant(finished_at) },
        { head: "Version", cell: ({ version, is_new }) => (is_new === false ? `none new: nothing changed since version ${version ?? ""}` : (version ?? "")) },
        { head: "Failure", cell: ({ failure }) => failure ?? "", isText: true },
      ]}
    />
  );
}

function RunNow({ project, isWaiting, hasScheduler }: { project: string; isWaiting: boolean; hasScheduler: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const session = useSession();
  const refusal = session.refusal ?? (isWaiting ? "Another training waits or runs." : null);
  const effect = `${hasScheduler ? "" : `${NOBODY} `}A worker trains a version on the data known now. The gates decide whether it goes to Staging; nothing leaves Production by this alone, unless refreshes go live by the declaration.`;
  const change = async (reason: string): Promise<string[]> => {
    const run = await answered(api.POST("/api/projects/{name}/training/automated/run", { params: { path: { name: project } }, body: { reason, force: false } }));
    const next = hasScheduler ? "The scheduler takes it within seconds." : "Nobody takes it yet, because no scheduler runs. Start one: touchline up, or touchline schedule run";
    return [`Run ${run.id} is ${run.status}. ${next}`];
  };
  return (
    <div className="acts">
      <span className="act">
        <button type="button" disabled={refusal !== null} aria-describedby="why-run" onClick={() => setOpen(true)}>
          Train now
        </button>
        <small id="why-run">{refusal ?? (hasScheduler ? "Asks the scheduler for a training." : `${NOBODY} What is asked for now waits until then.`)}</small>
      </span>
      {isOpen && <ChangeDialog title="Train now" effect={effect} hasTicket={false} close={() => setOpen(false)} change={change} />}
    </div>
  );
}
