import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, answered, type Documents } from "../../api/client";
import { ChangeDialog } from "../../components/change_dialog";
import { Failure, Loading } from "../../components/states";
import { changesInWords } from "./changes_in_words";
import { Gates } from "./gates";

/** A promotion: first its dry run, with the gates and the moves; then, on exactly that evidence, the promotion. */
export function PromoteDialog({ project, version, close }: { project: string; version: string; close: () => void }) {
  const [now, setNow] = useState(false);
  const path = { name: project, version };
  // A look at a comparison counts, so it is taken once for each of the two ways. A promotion from here always has a reason.
  const preview = useQuery({
    queryKey: ["promotion", project, version, now],
    queryFn: () => answered(api.POST("/api/projects/{name}/models/{version}/promotion", { params: { path }, body: { now, reason: "dry run" } })),
    staleTime: Infinity,
    refetchInterval: false,
    retry: false,
  });
  const change = async (reason: string, ticket: string | null) => {
    const body = { reason, ticket, now, evidence: preview.data?.evidence ?? null };
    return changesInWords(await answered(api.POST("/api/projects/{name}/models/{version}/promote", { params: { path }, body })));
  };
  return (
    <ChangeDialog title={`Promote version ${version}`} effect={<Effect data={preview.data} error={preview.error} />} close={close} change={change} isBlocked={preview.data === undefined || preview.data.moves.length === 0}>
      <label className="check">
        <input type="checkbox" checked={now} onChange={(event) => setNow(event.target.checked)} /> Straight to Production, without a rollout
      </label>
    </ChangeDialog>
  );
}

function Effect({ data, error }: { data: Documents["PreviewDocument"] | undefined; error: unknown }) {
  if (error) return <Failure error={error} />;
  if (data === undefined) return <Loading />;
  return (
    <div className="preview">
      {data.kind === "none" && data.refusal === null && <p>No gate runs for this step.</p>}
      {data.gates.length > 0 && <Gates gates={data.gates} />}
      {data.differences.length > 0 && <p>A change of {data.differences.join(", ")}: this look at its test rows counts.</p>}
      {data.moves.map(({ version, from_stage, to_stage }) => (
        <p key={version}>
          Version {version} will move: {from_stage} → {to_stage}.
        </p>
      ))}
      {data.refusal !== null && <p className="failure">It would change nothing: {data.refusal}</p>}
      {data.moves.length > 0 && <p>{data.rollback === null ? "A rollback then has nothing to return to." : `A rollback then returns to version ${data.rollback}.`}</p>}
    </div>
  );
}
