import { type FetchResponse } from "openapi-fetch";
import createClient from "openapi-fetch";
import createQueries from "openapi-react-query";
import type { components, paths } from "./schema";

export type Documents = components["schemas"];

const KEY = "touchline.key";
/** A header cannot carry these, and no key has them: the server refuses the key that is sent without them. */
const OTHER_LETTERS = /[^\x21-\x7e]/g;

/** The API key of this tab. It is not stored beyond the tab. */
export function storedKey(): string | null {
  return sessionStorage.getItem(KEY);
}

export function storeKey(key: string | null): void {
  if (key === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, key);
}

export const api = createClient<paths>({ baseUrl: "" });
api.use({
  onRequest({ request }) {
    const key = storedKey();
    if (key !== null) request.headers.set("authorization", `Bearer ${key.replace(OTHER_LETTERS, "?")}`);
    return request;
  },
});

export const queries = createQueries(api);

/** The answer of a change; the server's problem document as an error. */
export async function answered<T extends Record<string | number, unknown>, O, M extends `${string}/${string}`>(
  response: Promise<FetchResponse<T, O, M>>,
): Promise<NonNullable<FetchResponse<T, O, M>["data"]>> {
  const { data, error } = await response;
  if (error !== undefined || data === undefined) throw error ?? new Error("The server gave no answer.");
  return data as NonNullable<FetchResponse<T, O, M>["data"]>;
}

/** Sends a form of a project's own page to the project's own route, which the document of the API does not have. */
export async function sendToOwnRoute(project: string, route: string, body: unknown): Promise<Record<string, unknown>> {
  const path = `/projects/${encodeURIComponent(project)}${route}` as never;
  const { data, error } = await api.request("post" as never, path, { body } as never);
  if (error !== undefined || data === undefined) throw error ?? new Error("The server gave no answer.");
  return data as Record<string, unknown>;
}
