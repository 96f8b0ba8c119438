import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { storeKey } from "../api/client";
import { problemOf } from "../api/problem";

export function Loading() {
  return (
    <p className="state" role="status">
      Loading…
    </p>
  );
}

/** Nothing is there yet: what to do for something to be. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className="state empty">{children}</p>;
}

export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const problem = problemOf(error);
  return (
    <div className="state failure" role="alert">
      <strong>{problem.status === 403 ? "Your key may not see this" : problem.title}</strong>
      <p>{problem.detail}</p>
      <div className="buttons">
        {retry && problem.status !== 403 && problem.status !== 404 && (
          <button type="button" onClick={retry}>
            Try again
          </button>
        )}
        {problem.status === 403 && (
          <button type="button" onClick={signInAgain}>
            Sign in with another key
          </button>
        )}
      </div>
    </div>
  );
}

function signInAgain(): void {
  storeKey(null);
  location.reload();
}

const PROBE_MILLISECONDS = 3_000;

/** Whether the server is away. A server that was away and answers again loads the page again. */
function useServerIsAway(): boolean {
  const [isAway, setAway] = useState(false);
  useEffect(() => {
    const probe = async () => {
      const doesAnswer = await fetch("/healthz").then(({ ok }) => ok, () => false);
      if (doesAnswer && isAway) location.reload();
      setAway(!doesAnswer);
    };
    void probe();
    const timer = setInterval(() => void probe(), PROBE_MILLISECONDS);
    return () => clearInterval(timer);
  }, [isAway]);
  return isAway;
}

/** A page that cannot be drawn, such as one whose files a newer version of the server has replaced. */
export function Broken({ error }: { error: unknown }) {
  const isAway = useServerIsAway();
  return (
    <div className="state failure" role="alert">
      <h1>This page could not be shown</h1>
      <p>{error instanceof Error ? error.message : String(error)}. {isAway ? "The server does not answer; this page loads again once it does." : "The server may have been updated since this tab was opened."}</p>
      <button type="button" onClick={() => location.reload()}>
        Load it again
      </button>
    </div>
  );
}

export function NotFound() {
  return (
    <div className="state">
      <h1>There is no such page</h1>
      <p>
        <Link to="/">Overview of all projects</Link>
      </p>
    </div>
  );
}

/** The part of a query that a page shows. */
export interface Queried<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

interface LoadedProps<T> {
  query: Queried<T>;
  /** Of a whole page: its title, while there is nothing else to show. */
  title?: string;
  children: (data: T) => ReactNode;
}

/** The title where it stands above a verdict, too: it does not move when the page has loaded. */
export function Title({ children }: { children: ReactNode }) {
  return (
    <header className="verdict">
      <h1>{children}</h1>
    </header>
  );
}

/** What a query gave; loading and failure where it gave nothing. */
export function Loaded<T>({ query, title, children }: LoadedProps<T>) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  return (
    <>
      {title !== undefined && <Title>{title}</Title>}
      {query.error ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading />}
      {query.error !== null && title !== undefined && location.search !== "" && <WithoutChoices />}
    </>
  );
}

/** The way out of an address whose choices the server refuses. */
export function WithoutChoices() {
  return (
    <p>
      <a href={location.pathname}>Open the page without the choices in its address</a>
    </p>
  );
}
