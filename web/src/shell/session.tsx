import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { type Documents, onOtherTabs, queries, storeKey, storedKey, tellOtherTabs } from "../api/client";
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
  const reason = useKey(query.data !== undefined && problem === undefined, problem?.status === 401);
  if (problem?.status === 401) return <SignIn reason={reason} />;
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

let entered: string | null = null;
let worked: string | null = null;

/** Follows the other tabs, and says why the key of this one does not work: it never did, no longer does, or was left. */
function useKey(doesWork: boolean, isRefused: boolean): string | null {
  const client = useQueryClient();
  const [isLeftElsewhere, setLeftElsewhere] = useState(false);
  useEffect(() => {
    const key = storedKey();
    if (!doesWork || key === null) return;
    worked = key;
    setLeftElsewhere(false);
    if (entered === key) tellOtherTabs({ kind: "entered", key });
    entered = null;
  }, [doesWork]);
  useEffect(
    () =>
      onOtherTabs(({ kind, key }) => {
        const isOwn = key === storedKey();
        if (kind === "left" ? !isOwn : !isRefused || isOwn) return;
        setLeftElsewhere(kind === "left");
        storeKey(kind === "left" ? null : key);
        void client.resetQueries();
      }),
    [client, isRefused],
  );
  const key = storedKey();
  if (key === null) return isLeftElsewhere ? "You signed out in another tab. After the sign-in this page is shown again." : null;
  return key === worked ? "Your key no longer works: it has expired or was revoked. After the sign-in this page is shown again." : "This key does not work: it is unknown, or has expired or was revoked.";
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
    const key = storedKey();
    storeKey(null);
    if (key !== null) tellOtherTabs({ kind: "left", key });
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

function SignIn({ reason }: { reason: string | null }) {
  const client = useQueryClient();
  const [key, setKey] = useState("");
  return (
    <main className="sign-in">
      <h1>Sign in</h1>
      <p>This server needs an API key. An operator makes one: touchline keys make NAME --role operator</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          entered = key.trim();
          storeKey(entered);
          void client.resetQueries();
        }}
      >
        <label>
          API key
          <input type="password" autoComplete="current-password" required value={key} onChange={(event) => setKey(event.target.value)} />
        </label>
        <button type="submit">Sign in</button>
      </form>
      {reason !== null && <p role="alert">{reason}</p>}
    </main>
  );
}
