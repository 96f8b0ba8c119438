import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, answered, type Documents, queries } from "../api/client";
import { ChangeDialog } from "../components/change_dialog";
import { Empty, Loaded } from "../components/states";
import { Table } from "../components/table";
import { Badge, type Tone } from "../components/verdict";
import { instant } from "../format";
import { useSession } from "../shell/session";
import type { PageProps } from "./page_props";

type Incident = Documents["IncidentState"];
const TONES: Record<string, Tone> = { critical: "bad", warning: "watch" };
const SILENCE_HOURS = 24;

interface IncidentListProps {
  project: string;
  chosen: string | undefined;
  show: PageProps["show"];
  onlyOpen: boolean;
}

/** Incidents with what happened, how sure that is, what it costs and what to do. */
export function IncidentList({ project, chosen, show, onlyOpen }: IncidentListProps) {
  const params = { path: { name: project }, query: { only_open: onlyOpen } };
  const query = queries.useQuery("get", "/api/projects/{name}/alerts", { params });
  return (
    <section>
      <h2>{onlyOpen ? "Open incidents" : "Incidents"}</h2>
      <Loaded query={query}>
        {({ incidents }) => chosen !== undefined && !incidents.some(({ id }) => id === chosen) && <Elsewhere project={project} incident={chosen} onlyOpen={onlyOpen} />}
      </Loaded>
      <Loaded query={query}>
        {({ incidents, sentence }) =>
          incidents.length === 0 ? (
            <Empty>{onlyOpen ? sentence : "None yet. They are opened by checks of loss, data, serving and rollouts, which the scheduler runs."}</Empty>
          ) : (
            <ul className="incidents">
              {incidents.map((incident) => (
                <li key={incident.id}>
                  <button type="button" className="link" aria-expanded={incident.id === chosen} onClick={() => show({ incident: incident.id === chosen ? undefined : incident.id })}>
                    {incident.title}
                  </button>{" "}
                  <Badge tone={incident.status === "open" ? (TONES[incident.severity] ?? "watch") : "plain"}>
                    {incident.status === "open" ? incident.severity : incident.status}
                  </Badge>{" "}
                  <small>since {instant(incident.opened_at)} (wall clock)</small>
                  {incident.id === chosen && <IncidentDetail project={project} incident={incident} />}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

/** An address may name an incident that was resolved since, or that never was. */
function Elsewhere({ project, incident, onlyOpen }: { project: string; incident: string; onlyOpen: boolean }) {
  if (!onlyOpen) return <Empty>The incident {incident} is not among the newest: touchline alerts show {incident} -p {project}</Empty>;
  return (
    <Empty>
      The incident {incident} is not open any more, or never was.{" "}
      <Link to="/ui/$project/$page" params={{ project, page: "alerts" }} search={{ incident }}>
        All incidents
      </Link>
    </Empty>
  );
}

function IncidentDetail({ project, incident }: { project: string; incident: Incident }) {
  const [isSilencing, setSilencing] = useState(false);
  const [isLifting, setLifting] = useState(false);
  const session = useSession();
  const query = queries.useQuery("get", "/api/projects/{name}/alerts/{incident}", { params: { path: { name: project, incident: incident.id } } });
  const silence = async (reason: string): Promise<string[]> => {
    const ends_at = new Date(Date.now() + SILENCE_HOURS * 3_600_000).toISOString();
    const done = await answered(api.POST("/api/projects/{name}/alerts/{incident}/silence", { params: { path: { name: project, incident: incident.id } }, body: { reason, ends_at } }));
    return [`No messages about this cause until ${instant(done.silence?.ends_at)} (wall clock).`];
  };
  const lift = async (reason: string): Promise<string[]> => {
    await answered(api.POST("/api/projects/{name}/alerts/{incident}/silence/lift", { params: { path: { name: project, incident: incident.id } }, body: { reason } }));
    return ["Messages about this cause are sent again."];
  };
  return (
    <div className="detail">
      {incident.signals.map((signal) => (
        <dl key={`${signal.signal} ${signal.subject}`}>
          <dt>What happened</dt>
          <dd>{signal.happened}</dd>
          <dt>How sure</dt>
          <dd>{signal.certainty || "not stated"}</dd>
          <dt>What it costs</dt>
          <dd>{signal.cost || "not stated"}</dd>
          <dt>What to do</dt>
          <dd>
            <code>{signal.next_command}</code>
          </dd>
        </dl>
      ))}
      {incident.silence ? (
        <>
          <p>
            Silenced until {instant(incident.silence.ends_at)} (wall clock) by {incident.silence.actor}: {incident.silence.reason}
          </p>
          <button type="button" disabled={session.refusal !== null} title={session.refusal ?? undefined} onClick={() => setLifting(true)}>
            Lift the silence
          </button>
        </>
      ) : (
        <button type="button" disabled={session.refusal !== null} title={session.refusal ?? undefined} onClick={() => setSilencing(true)}>
          Silence for {SILENCE_HOURS} hours
        </button>
      )}
      {session.refusal !== null && <small> {session.refusal}</small>}{" "}
      <Link to="/ui/$project/$page" params={{ project, page: "automation" }} search={{}}>
        Train again
      </Link>
      {isSilencing && <ChangeDialog title="Silence this cause" effect={`No messages about it are sent for ${SILENCE_HOURS} hours, also when it comes back. Checks go on.`} hasTicket={false} close={() => setSilencing(false)} change={silence} />}
      {isLifting && <ChangeDialog title="Lift the silence of this cause" effect="Messages about it are sent again from now on. What is still wrong is told with the next check." hasTicket={false} close={() => setLifting(false)} change={lift} />}
      <Loaded query={query}>
        {({ messages, silences }) => (
          <>
          {silences.length > 0 && (
            <ul className="timeline" aria-label="Silences of this cause, newest first">
              {silences.map((one) => (
                <li key={`${one.created_at} ${one.act}`}>
                  {instant(one.created_at)}: {one.act === "lifted" ? "silence lifted" : `silenced until ${instant(one.ends_at)}`} by {one.actor}: {one.reason}
                </li>
              ))}
            </ul>
          )}
          {messages.length === 0 ? (
            <Empty>No message was sent: the project declares no alert targets, or this one is silenced.</Empty>
          ) : (
            <Table
              caption="Messages"
              rows={messages}
              keyOf={({ target, created_at, kind }) => `${target} ${kind} ${created_at}`}
              columns={[
                { head: "Kind", cell: ({ kind }) => kind },
                { head: "To", cell: ({ target }) => target },
                { head: "Status", cell: ({ status, failure }) => (failure ? `${status}: ${failure}` : status) },
                { head: "Sent (wall clock)", cell: ({ sent_at }) => instant(sent_at) },
              ]}
            />
          )}
          </>
        )}
      </Loaded>
    </div>
  );
}
