import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { type Documents, sendToOwnRoute } from "../../api/client";
import { problemOf } from "../../api/problem";
import { useSession } from "../../shell/session";
import type { PageProps } from "../page_props";
import { type Entered, bodyOf, withRowNumber } from "./body";
import { Fields } from "./fields";

type Form = Documents["FormPart"];

/** A form of the project, sent to its own route; then the item that the response names is shown. */
export function FormSection({ part, project, show }: { part: Form; project: string; show: PageProps["show"] }) {
  const client = useQueryClient();
  const session = useSession();
  const ids = useId();
  const [single, setSingle] = useState<Entered>(() => firstValues(part.fields));
  const [rows, setRows] = useState<Entered[]>(() => (part.rows === null ? [] : [firstValues(part.rows.fields)]));
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    try {
      const done = await sendToOwnRoute(project, part.route, bodyOf(part, single, rows));
      await client.invalidateQueries();
      const item = part.item === null ? undefined : done[part.item];
      if (item !== undefined) show({ item: String(item) });
    } catch (thrown) {
      const { title, detail } = problemOf(thrown);
      setFailure(`${title}. ${withRowNumber(detail, part.rows)}`);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="detail own-form" aria-label={part.title} onSubmit={(event) => void submit(event)}>
      <h2>{part.title}</h2>
      <p>{part.effect}</p>
      <Fields project={project} fields={part.fields} entered={single} change={setSingle} />
      {part.rows !== null &&
        rows.map((row, place) => (
          <fieldset key={place}>
            <legend>
              {part.rows?.label} {place + 1}
            </legend>
            <Fields project={project} fields={part.rows?.fields ?? []} entered={row} change={(entered) => setRows(rows.map((one, other) => (other === place ? entered : one)))} />
            {rows.length > 1 && (
              <button type="button" onClick={() => setRows(rows.filter((_, other) => other !== place))}>
                Remove {part.rows?.label} {place + 1}
              </button>
            )}
          </fieldset>
        ))}
      {part.rows !== null && rows.length < part.rows.most && (
        <button type="button" onClick={() => setRows([...rows, firstValues(part.rows?.fields ?? [])])}>
          Add another
        </button>
      )}
      {failure !== undefined && <p role="alert" className="failure">{failure}</p>}
      <div className="buttons">
        <button type="submit" className="main" disabled={isBusy || session.refusal !== null} aria-describedby={`why-${ids}`}>
          {isBusy ? "Working…" : part.button}
        </button>
        <small id={`why-${ids}`}>{session.refusal}</small>
      </div>
    </form>
  );
}

function firstValues(fields: readonly Documents["FormField"][]): Entered {
  return Object.fromEntries(fields.map(({ name, kind, value }) => [name, kind === "flag" ? value === true : value === null ? "" : String(value)]));
}
