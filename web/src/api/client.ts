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

function header(): string | null {
  const key = storedKey();
  return key === null ? null : `Bearer ${key.replace(OTHER_LETTERS, "?")}`;
}

export const api = createClient<paths>({ baseUrl: "" });
api.use({
  onRequest({ request }) {
    const own = header();
    if (own !== null) request.headers.set("authorization", own);
    return request;
  },
  /** A refusal of a key that this tab has left says nothing about the present one: the request is sent again with it. */
  onResponse({ request, response }) {
    const own = header();
    if (response.status !== 401 || request.method !== "GET" || own === request.headers.get("authorization") || own === null) return undefined;
    return fetch(request.url, { headers: { authorization: own } });
  },
});

/** What another tab is told: a key was signed out, or one was entered that works. It is never written to a disk. */
export interface KeyChange {
  kind: "left" | "entered";
  key: string;
}

const tabs = new BroadcastChannel("touchline.keys");

export function tellOtherTabs(change: KeyChange): void {
  tabs.postMessage(change);
}

export function onOtherTabs(listener: (change: KeyChange) => void): () => void {
  const hear = ({ data }: MessageEvent<KeyChange>) => listener(data);
  tabs.addEventListener("message", hear);
  return () => tabs.removeEventListener("message", hear);
}

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
