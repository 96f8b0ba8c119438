import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useState } from "react";
import { type Documents, queries, storeKey, storedKey } from "../api/client";
import { type Problem, problemOf } from "../api/problem";
import { Failure, Loading, type Queried } from "../components/states";

const Current = createContext<Documents["Session"] | null>(null);

/** Who asks, and why they may not change anything. */
export function useSession(): Documents["Session"] {
  const session = useContext(Current);
  if (session === null) throw new Error("useSession is for what is within a Session");
  return session;
}

/** Its children once the server knows who asks; the sign-in where it needs a key. */
export function Session({ children }: { children: ReactNode }) {
  const query: Queried<Documents["Session"]> = queries.useQuery("get", "/api/session");
  const problem = query.error ? problemOf(query.error) : undefined;
  if (problem?.status === 401) return <SignIn />;
  if (query.data) {
    return (
      <Current value={query.data}>
        {problem !== undefined && <Away problem={problem} retry={() => void query.refetch()} />}
        {children}
      </Current>
    );
  }
  if (problem === undefined) return <Loading />;
  return <Failure error={query.error} retry={() => void query.refetch()} />;
}

/** The server went away while a page was open: its numbers are those of before. */
function Away({ problem, retry }: { problem: Problem; retry: () => void }) {
  return (
    <p className="notice" role="alert">
      {problem.title}: the numbers below are from before. {problem.detail}{" "}
      <button type="button" onClick={retry}>
        Try again
      </button>
    </p>
  );
}

export function SignOut() {
  const client = useQueryClient();
  const session = useSession();
  if (session.is_open) return <span className="who">open to this machine: no API key was made</span>;
  const leave = () => {
    storeKey(null);
    void client.resetQueries();
  };
  return (
    <span className="who">
      {session.name} ({session.role}){" "}
      <button type="button" onClick={leave}>
        Sign out
      </button>
    </span>
  );
}

function SignIn() {
  const client = useQueryClient();
  const [key, setKey] = useState("");
  const wasRefused = storedKey() !== null;
  return (
    <main className="sign-in">
      <h1>Sign in</h1>
      <p>This server needs an API key. An operator makes one: touchline keys make NAME --role operator</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          storeKey(key.trim());
          void client.resetQueries();
        }}
      >
        <label>
          API key
          <input type="password" autoComplete="current-password" required value={key} onChange={(event) => setKey(event.target.value)} />
        </label>
        <button type="submit">Sign in</button>
      </form>
      {wasRefused && <p role="alert">This key does not work: it is unknown or revoked.</p>}
    </main>
  );
}
