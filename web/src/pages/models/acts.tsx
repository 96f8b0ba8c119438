import { useState } from "react";
import { api, answered, type Documents } from "../../api/client";
import { ChangeDialog } from "../../components/change_dialog";
import { useSession } from "../../shell/session";
import { changesInWords } from "./changes_in_words";
import { PromoteDialog } from "./promote_dialog";

type Detail = Documents["VersionDetail"];
type Act = Documents["ActDocument"];
const DECISIONS = ["approve", "reject", "demote"] as const;

/** The changes that a person may make. A button that does nothing now says why. */
export function Acts({ project, detail }: { project: string; detail: Detail }) {
  const [open, setOpen] = useState<Act>();
  const session = useSession();
  return (
    <div className="acts" role="group" aria-label="Changes" tabIndex={-1}>
      {detail.acts.map((act) => {
        const refusal = session.refusal ?? act.refusal;
        return (
          <span key={act.act} className="act">
            <button type="button" disabled={refusal !== null} aria-describedby={`why-${act.act}`} onClick={() => setOpen(act)}>
              {act.act.charAt(0).toUpperCase() + act.act.slice(1)}
            </button>
            <small id={`why-${act.act}`}>{refusal ?? act.effect}</small>
          </span>
        );
      })}
      {open?.act === "promote" && <PromoteDialog project={project} version={String(detail.summary.version)} close={() => setOpen(undefined)} />}
      {open !== undefined && open.act !== "promote" && (
        <ChangeDialog title={`${open.act} version ${detail.summary.version}`} effect={open.effect} close={() => setOpen(undefined)} change={(reason, ticket) => decide(project, detail, open.act, { reason, ticket })} />
      )}
    </div>
  );
}

async function decide(project: string, detail: Detail, name: string, body: Documents["DecisionBody"]): Promise<string[]> {
  const act = DECISIONS.find((one) => one === name);
  const version = String(detail.summary.version);
  const done =
    act === undefined
      ? await answered(api.POST("/api/projects/{name}/stages/rollback", { params: { path: { name: project } }, body }))
      : await answered(api.POST("/api/projects/{name}/models/{version}/decision/{act}", { params: { path: { name: project, version, act } }, body }));
  return changesInWords(done);
}
