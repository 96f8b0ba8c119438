import type { View } from "../pages/page_props";

interface TimeRangeProps {
  view: View;
  show: (change: Partial<View>) => void;
}

/** The first and the last day of what a page shows; they stand in the address. */
export function TimeRange({ view, show }: TimeRangeProps) {
  return (
    <>
      <label>
        From <input type="date" value={view.since ?? ""} max={view.until} onChange={(event) => show({ since: event.target.value || undefined })} />
      </label>
      <label>
        To <input type="date" value={view.until ?? ""} min={view.since} onChange={(event) => show({ until: event.target.value || undefined })} />
      </label>
    </>
  );
}

/** Whether a day, or an instant, is in the range of a view. */
export function isInRange(text: string, { since, until }: View): boolean {
  const day = text.slice(0, 10);
  return (since === undefined || day >= since) && (until === undefined || day <= until);
}
