import type { Documents } from "../../api/client";

type Field = Pick<Documents["FormField"], "name" | "kind">;

/** What a person has entered, by the name of the field. */
export type Entered = Record<string, string | boolean>;

interface FormShape {
  fields: readonly Field[];
  rows: { name: string; fields: readonly Field[] } | null;
}

/** The body of a form: documents nested by the dots in the names; fields left empty are left out. */
export function bodyOf(form: FormShape, single: Entered, rows: readonly Entered[]): Record<string, unknown> {
  const body = documentOf(form.fields, single);
  if (form.rows !== null) body[form.rows.name] = rows.map((row) => documentOf(form.rows?.fields ?? [], row));
  return body;
}

/** The detail of a refusal, with a row of the form by the number that it has on the page. */
export function withRowNumber(detail: string, rows: { name: string; label: string } | null): string {
  if (rows === null) return detail;
  const place = new RegExp(`^${rows.name}\\.(\\d+)(\\.?)`);
  return detail.replace(place, (_, row: string, dot: string) => `${rows.label} ${Number(row) + 1}${dot && ", "}`);
}

function documentOf(fields: readonly Field[], entered: Entered): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const field of fields) {
    const value = valueOf(field, entered[field.name]);
    if (value !== undefined) place(document, field.name.split("."), value);
  }
  return document;
}

function valueOf({ kind }: Field, entered: string | boolean | undefined): unknown {
  if (kind === "flag") return entered === true;
  const text = String(entered ?? "").trim();
  if (text === "") return undefined;
  if (kind === "number") return Number(text);
  return kind === "numbers" ? text.split(",").map((one) => Number(one.trim())) : text;
}

function place(document: Record<string, unknown>, names: string[], value: unknown): void {
  const [first, ...rest] = names;
  if (first === undefined) return;
  if (rest.length === 0) document[first] = value;
  else place((document[first] ??= {}) as Record<string, unknown>, rest, value);
}
