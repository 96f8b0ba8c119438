import { useSyncExternalStore } from "react";

const PRINT = matchMedia("print");

function subscribe(notify: () => void): () => void {
  PRINT.addEventListener("change", notify);
  return () => PRINT.removeEventListener("change", notify);
}

/** Whether the page is being printed: all rows of a table are drawn then, and pictures in the colours of paper. */
export function usePrinting(): boolean {
  return useSyncExternalStore(subscribe, () => PRINT.matches);
}
