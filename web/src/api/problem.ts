/** An RFC 9457 problem document, as every route of the API answers a failure. */
export interface Problem {
  status: number;
  title: string;
  detail: string;
}

/** Whatever a query has thrown, as a problem. */
export function problemOf(thrown: unknown): Problem {
  if (thrown !== null && typeof thrown === "object" && "title" in thrown) {
    const found = thrown as Partial<Problem>;
    return { status: found.status ?? 500, title: found.title ?? "It failed", detail: found.detail ?? "" };
  }
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return { status: 0, title: "The server does not answer", detail: `${detail}. Is it running? touchline up` };
}
