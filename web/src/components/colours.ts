import { useSyncExternalStore } from "react";

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** The system may change its colours while a page is open, and the menu those of the dashboard. */
function subscribe(notify: () => void): () => void {
  const observer = new MutationObserver(notify);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  DARK.addEventListener("change", notify);
  return () => {
    observer.disconnect();
    DARK.removeEventListener("change", notify);
  };
}

/** A name for the colours of now: what is drawn on a canvas is drawn again when it changes. */
export function useColours(): string {
  return useSyncExternalStore(subscribe, () => document.documentElement.dataset["theme"] ?? (DARK.matches ? "dark" : "light"));
}
