import { useId } from "react";
import { type Documents, queries } from "../../api/client";
import type { Entered } from "./body";

type Field = Documents["FormField"];

interface FieldsProps {
  project: string;
  fields: readonly Field[];
  entered: Entered;
  change: (entered: Entered) => void;
}

/** The fields of a form, or of one of its rows. */
export function Fields({ project, fields, entered, change }: FieldsProps) {
  return (
    <div className="fields">
      {fields.map((field) => (
        <FieldInput key={field.name} project={project} field={field} value={entered[field.name] ?? ""} change={(value) => change({ ...entered, [field.name]: value })} />
      ))}
    </div>
  );
}

function FieldInput({ project, field, value, change }: { project: string; field: Field; value: string | boolean; change: (value: string | boolean) => void }) {
  const list = useId();
  if (field.kind === "flag") {
    return (
      <label className="check">
        <input type="checkbox" checked={value === true} onChange={(event) => change(event.target.checked)} /> {field.label}
      </label>
    );
  }
  const isNumber = field.kind === "number";
  return (
    <label>
      {field.label}
      <input type={isNumber ? "number" : "text"} {...(isNumber ? { step: "any" } : {})} required={field.is_required} value={String(value)} list={field.entities === null ? undefined : list} onChange={(event) => change(event.target.value)} />
      {field.entities !== null && <EntityOptions id={list} project={project} plural={field.entities} />}
    </label>
  );
}

function EntityOptions({ id, project, plural }: { id: string; project: string; plural: string }) {
  const { data } = queries.useQuery("get", "/api/projects/{name}/feature-store/{plural}", { params: { path: { name: project, plural }, query: { limit: 500 } } });
  return (
    <datalist id={id}>
      {(data?.items ?? []).map((item) => {
        const key = (data?.join_keys ?? []).map((name) => String(item[name])).join(",");
        return <option key={key} value={key} />;
      })}
    </datalist>
  );
}
