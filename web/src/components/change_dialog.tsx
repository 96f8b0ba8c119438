import { Dialog } from "@base-ui/react/dialog";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, Fragment, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { problemOf } from "../api/problem";

interface ChangeDialogProps {
  title: string;
  /** What the change will do, in words, before it does it. */
  effect: ReactNode;
  close: () => void;
  /** Makes the change, and says what it did in lines. */
  change: (reason: string, ticket: string | null) => Promise<ReactNode[]>;
  hasTicket?: boolean;
  isBlocked?: boolean;
  children?: ReactNode;
}

/** The button that opened a dialog; where the change has disabled or removed it, the group around it or the page. */
function focusAfter(opener: Element | null): HTMLElement | null {
  const places = [opener, opener?.closest("[role=group]"), document.getElementById("page")];
  return places.find((place): place is HTMLElement => place instanceof HTMLElement && place.isConnected && !place.matches(":disabled")) ?? null;
}

/** Shows what a change will do, asks for the reason, makes it, and says what it did. */
export function ChangeDialog({ title, effect, close, change, hasTicket = true, isBlocked = false, children }: ChangeDialogProps) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [ticket, setTicket] = useState("");
  const [opener] = useState(() => document.activeElement);
  const [isBusy, setBusy] = useState(false);
  const [done, setDone] = useState<ReactNode[]>();
  const [failure, setFailure] = useState<string>();
  const ids = { reason: useId(), ticket: useId() };
  const leave = () => {
    close();
    // Once the dialog is gone: until then nothing behind it takes the focus.
    requestAnimationFrame(() => focusAfter(opener)?.focus());
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    try {
      setDone(await change(reason.trim(), ticket.trim() === "" ? null : ticket.trim()));
      await client.invalidateQueries();
    } catch (thrown) {
      const { title: what, detail } = problemOf(thrown);
      setFailure(`${what}. ${detail}`);
      await client.invalidateQueries();
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && leave()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog" finalFocus={false}>
          <Dialog.Title>{title.charAt(0).toUpperCase() + title.slice(1)}</Dialog.Title>
          {done === undefined || isBusy ? (
            <form onSubmit={(event) => void submit(event)}>
              <Dialog.Description render={<div />}>{effect}</Dialog.Description>
              {children}
              <label htmlFor={ids.reason}>Reason, for the journal</label>
              <textarea id={ids.reason} required maxLength={500} rows={2} value={reason} onChange={(event) => setReason(event.target.value)} />
              {hasTicket && (
                <>
                  <label htmlFor={ids.ticket}>Ticket (optional)</label>
                  <input id={ids.ticket} maxLength={200} value={ticket} onChange={(event) => setTicket(event.target.value)} />
                </>
              )}
              {failure !== undefined && <p role="alert" className="failure">{failure}</p>}
              <div className="buttons">
                <button type="submit" className="main" disabled={isBusy || isBlocked || reason.trim() === ""}>
                  {isBusy ? "Working…" : "Do it"}
                </button>
                <Dialog.Close>Cancel</Dialog.Close>
              </div>
            </form>
          ) : (
            <Done lines={done} />
          )}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** What the change did. It takes the focus of the button that made it: a second Enter then closes nothing unread, such as a new key. */
function Done({ lines }: { lines: ReactNode[] }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <div role="status" tabIndex={-1} ref={place}>
      {lines.map((line, at) => (
        <Fragment key={at}>{typeof line === "string" ? <p>{line}</p> : line}</Fragment>
      ))}
      <Dialog.Close className="main">Close</Dialog.Close>
    </div>
  );
}
