import { useState } from "react";
import { api, answered, type Documents, queries } from "../api/client";
import { ChangeDialog } from "../components/change_dialog";
import { Intervals } from "../components/intervals";
import { Empty, Loaded } from "../components/states";
import { Table } from "../components/table";
import { Badge, type Tone, Verdict } from "../components/verdict";
import { count, instant } from "../format";
import { useSession } from "../shell/session";
import type { PageProps } from "./page_props";

type Rollout = Documents["RolloutStateDocument"];
const TONES: Record<Rollout["status"], Tone> = { running: "good", paused: "watch", held: "watch", ended: "plain" };
const GUARDRAIL_TONES: Record<string, Tone> = { holds: "good", broken: "bad" };
const ACTS = {
  approve: "The step that waits is taken by the next check, within a minute.",
  pause: "The shares stay as they are; no step is taken until somebody resumes. Guardrails go on.",
  resume: "The next check may take a step again.",
  abort: "The candidate gets no more requests, and the rollout ends.",
} as const;
type ActName = keyof typeof ACTS;

/** The newest rollout: its verdict, its evidence as it grew, its guardrails, and what a person may do. */
export function RolloutPage({ project }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/rollout", { params: { path: { name: project } } });
  return (
    <Loaded query={query} title={`Rollout of ${project}`}>
      {({ sentence, rollout }) => (
        <>
          <Verdict title={`Rollout of ${project}`} sentence={sentence} tone={rollout === null ? "plain" : TONES[rollout.status]}>
            {rollout !== null && <p>{rollout.next_step}</p>}
          </Verdict>
          {rollout === null ? <Empty>Train a candidate, and promote it to Staging: touchline train -p {project}. Its rollout begins by the declared Rollout(…).</Empty> : <RolloutState project={project} rollout={rollout} />}
        </>
      )}
    </Loaded>
  );
}

function RolloutState({ project, rollout }: { project: string; rollout: Rollout }) {
  const points = rollout.curve.filter((_, index) => index % Math.max(1, Math.ceil(rollout.curve.length / 12)) === 0);
  return (
    <>
      <p>
        Rollout {rollout.number} <Badge tone={TONES[rollout.status]}>{rollout.status}</Badge> {rollout.share} % to the candidate, {count(rollout.units)} units, since {instant(rollout.started_at)} by {rollout.started_by}
      </p>
      <RolloutActs project={project} rollout={rollout} />
      <Intervals title="Gain of the candidate as outcomes arrived, with its confidence sequence" markName="no difference" rows={points.map(({ units, gain, low, high }) => ({ label: `${units} units`, value: gain, low, high, mark: 0 }))} />
      {rollout.guardrails.length > 0 && (
        <Table
          caption="Guardrails"
          rows={rollout.guardrails}
          keyOf={({ rule }) => rule}
          columns={[
            { head: "Rule", cell: ({ rule }) => rule },
            { head: "Verdict", cell: ({ verdict }) => <Badge tone={GUARDRAIL_TONES[verdict] ?? "plain"}>{verdict}</Badge> },
            { head: "In words", cell: ({ message }) => message, isText: true },
          ]}
        />
      )}
      <h2>Log of decisions</h2>
      <ol className="timeline" aria-label="Log of decisions">
        {rollout.events.map((event) => (
          <li key={event.sequence}>
            {instant(event.at)} <strong>{event.kind}</strong> at {event.share} %, by {event.actor}: {event.message}
          </li>
        ))}
      </ol>
    </>
  );
}

function refusalOf(act: ActName, { status, waits_for_approval }: Rollout): string | null {
  if (status === "ended") return "It has ended.";
  if (act === "approve" && !waits_for_approval) return "No step waits for an approval.";
  if (act === "pause" && status !== "running") return `It is ${status} already.`;
  return act === "resume" && status === "running" ? "It runs." : null;
}

function RolloutActs({ project, rollout }: { project: string; rollout: Rollout }) {
  const [open, setOpen] = useState<ActName>();
  const session = useSession();
  const change = async (act: ActName, reason: string): Promise<string[]> => {
    const done = await answered(api.POST("/api/projects/{name}/rollout/{act}", { params: { path: { name: project, act } }, body: { reason } }));
    return [`Rollout ${rollout.number}: ${done.rollout?.status ?? "ended"}.`, done.sentence, done.rollout?.next_step ?? ""];
  };
  return (
    <div className="acts" role="group" aria-label="Changes" tabIndex={-1}>
      {(Object.keys(ACTS) as ActName[]).map((act) => {
        const refusal = session.refusal ?? refusalOf(act, rollout);
        return (
          <span key={act} className="act">
            <button type="button" disabled={refusal !== null} aria-describedby={`why-${act}`} onClick={() => setOpen(act)}>
              {act.charAt(0).toUpperCase() + act.slice(1)}
            </button>
            <small id={`why-${act}`}>{refusal ?? ACTS[act]}</small>
          </span>
        );
      })}
      {open !== undefined && <ChangeDialog title={`${open} rollout ${rollout.number}`} effect={ACTS[open]} hasTicket={false} close={() => setOpen(undefined)} change={(reason) => change(open, reason)} />}
    </div>
  );
}
