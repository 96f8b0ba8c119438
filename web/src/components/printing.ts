import { useSyncExternalStore } from "react";
import { flushSync } from "react-dom";

const PRINT = matchMedia("print");
let isAsked = false;

/** The paper is laid out as soon as the listeners return, so that every row has to be drawn before. */
function subscribe(notify: () => void): () => void {
  const turn = (isNow: boolean) => () => {
    isAsked = isNow;
    flushSync(notify);
  };
  const [before, after, changed] = [turn(true), turn(false), () => flushSync(notify)];
  window.addEventListener("beforeprint", before);
  window.addEventListener("afterprint", after);
  PRINT.addEventListener("change", changed);
  return () => {
    window.removeEventListener("beforeprint", before);
    window.removeEventListener("afterprint", after);
    PRINT.removeEventListener("change", changed);
  };
}

/** Whether the page is being printed: all rows of a table are drawn then, and pictures in the colours of paper. */
export function usePrinting(): boolean {
  return useSyncExternalStore(subscribe, () => isAsked || PRINT.matches);
}
