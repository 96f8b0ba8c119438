import { type ReactNode, useRef, useState } from "react";
import { api, answered, type Documents, queries, storeKey } from "../../api/client";
import { ChangeDialog } from "../../components/change_dialog";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge, type Tone } from "../../components/verdict";
import { instant } from "../../format";

type Key = Documents["KeyDocument"];
type Keys = Documents["KeyList"];
type ActName = "rotate" | "revoke";
const TONES: Record<Key["state"], Tone> = { valid: "good", expired: "watch", revoked: "plain" };
const OVERLAP_HOURS = 24;

/** What tells the keys of one name apart, here and in the journal. */
function idEnd(id: string): string {
  return id.slice(-6);
}

/** The API keys of the server: whose, what for, how long. Their secrets are nowhere. */
export function ApiKeys() {
  const query = queries.useQuery("get", "/api/keys");
  return (
    <section aria-label="API keys">
      <h2>API keys</h2>
      <Loaded query={query}>
        {(found) => (
          <>
            <p data-testid="keys">{found.sentence}</p>
            {found.keys.length === 0 && <Empty>Make the first before the server listens to other machines: touchline keys make NAME --role admin</Empty>}
            {found.keys.length > 0 && <KeyTable found={found} />}
            {found.changes.length > 0 && <KeyJournal changes={found.changes} keys={found.keys} />}
          </>
        )}
      </Loaded>
    </section>
  );
}

function KeyTable({ found }: { found: Keys }) {
  const [open, setOpen] = useState<{ act: ActName; key: Key }>();
  const buttons = (key: Key) =>
    key.state === "valid" && (
      <span className="row-acts">
        {(["rotate", "revoke"] as const).map((act) => (
          <button key={act} type="button" disabled={found.refusal !== null} aria-label={`${act} the key of ${key.name}`} aria-describedby="why-keys" onClick={() => setOpen({ act, key })}>
            {act}
          </button>
        ))}
      </span>
    );
  return (
    <>
      <p id="why-keys" className="facts">
        {found.refusal ?? "Rotate gives a new key in place of an old one; revoke ends one. Both are noted with their reason."}
      </p>
      <Table
        caption="Keys, oldest first"
        rows={found.keys}
        keyOf={({ id }) => id}
        columns={[
          { head: "Who", cell: ({ id, name, is_own }) => <>{is_own ? `${name} (this one)` : name} <small>{idEnd(id)}</small></> },
          { head: "Role", cell: ({ role }) => role },
          { head: "State", cell: ({ state }) => <Badge tone={TONES[state]}>{state}</Badge> },
          { head: "Created (wall clock)", cell: ({ created_at }) => instant(created_at) },
          { head: "Last used", cell: ({ last_used_at }) => (last_used_at === null ? "never" : instant(last_used_at)) },
          { head: "Ends", cell: ({ expires_at, revoked_at }) => (revoked_at !== null ? `revoked ${instant(revoked_at)}` : expires_at === null ? "never" : instant(expires_at)) },
          { head: "Change", cell: buttons },
        ]}
      />
      {open !== undefined && <KeyDialog act={open.act} apiKey={open.key} close={() => setOpen(undefined)} />}
    </>
  );
}

function effectOf(act: ActName, { name, role, is_own }: Key): string {
  if (act === "rotate") return `A new key for ${name} with the role ${role} is made and shown once. The old one works for ${OVERLAP_HOURS} more hours, so that its clients can change to the new one.`;
  const own = is_own ? " It is the key that you are signed in with: you are signed out." : "";
  return `The key of ${name} (${role}) stops working within a second, for good: requests with it are refused.${own}`;
}

function KeyDialog({ act, apiKey, close }: { act: ActName; apiKey: Key; close: () => void }) {
  const change = async (reason: string): Promise<ReactNode[]> => {
    const params = { path: { key_id: apiKey.id } };
    if (act === "revoke") {
      await answered(api.POST("/api/keys/{key_id}/revoke", { params, body: { reason } }));
      if (apiKey.is_own) storeKey(null);
      return [`The key of ${apiKey.name} is revoked.`];
    }
    const { key } = await answered(api.POST("/api/keys/{key_id}/rotate", { params, body: { reason, overlap_hours: OVERLAP_HOURS } }));
    return [`The new key of ${apiKey.name}. Copy it now: it cannot be shown again.`, <NewKey key="new" text={key} />];
  };
  return <ChangeDialog title={`${act} the key of ${apiKey.name}`} effect={effectOf(act, apiKey)} hasTicket={false} close={close} change={change} />;
}

/** The text of a new key with a button that copies it. Browsers give no clipboard to a page without TLS: it is selected then. */
function NewKey({ text }: { text: string }) {
  const place = useRef<HTMLElement>(null);
  const [label, setLabel] = useState("Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setLabel("Copied");
    } catch {
      if (place.current !== null) getSelection()?.selectAllChildren(place.current);
      setLabel("Selected: press Ctrl-C");
    }
  };
  return (
    <p className="new-key">
      <code ref={place}>{text}</code>{" "}
      <button type="button" onClick={() => void copy()}>
        {label}
      </button>
    </p>
  );
}

function KeyJournal({ changes, keys }: { changes: Keys["changes"]; keys: Key[] }) {
  const nameOf = (id: string) => keys.find((key) => key.id === id)?.name ?? id;
  return (
    <details>
      <summary>Journal of the keys</summary>
      <ol className="timeline" aria-label="Changes of keys, newest first">
        {changes.map(({ id, key_id, act, at, actor, reason }) => (
          <li key={id}>
            {instant(at)} <strong>{act}</strong> the key of {nameOf(key_id)} <small>{idEnd(key_id)}</small>, by {actor}
            {reason !== "" && `: ${reason}`}
          </li>
        ))}
      </ol>
    </details>
  );
}
