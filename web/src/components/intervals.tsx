import { decimal } from "../format";

export interface IntervalRow {
  label: string;
  value: number | null;
  low: number | null;
  high: number | null;
  /** A value to compare with: a baseline, a limit, the test window. */
  mark?: number | null;
  isStrong?: boolean;
}

/** Values with their 95 % intervals on one scale; a line where the compared value is. */
export function Intervals({ title, rows, markName }: { title: string; rows: readonly IntervalRow[]; markName?: string }) {
  const numbers = rows.flatMap(({ value, low, high, mark }) => [value, low, high, mark]).filter((one): one is number => typeof one === "number");
  if (numbers.length === 0) return null;
  const least = Math.min(...numbers);
  const span = Math.max(...numbers) - least || 1;
  const place = (value: number) => `${(2 + (96 * (value - least)) / span).toFixed(2)}%`;
  return (
    <figure className="intervals">
      <figcaption>
        {title}
        {markName && rows.some(({ mark }) => typeof mark === "number") && <span className="key"> ┆ {markName}</span>}
      </figcaption>
      <ul>
        {rows.map((row) => (
          <li key={row.label} className={row.isStrong ? "strong" : undefined}>
            <span className="label">{row.label}</span>
            <span className="scale" aria-hidden="true">
              {typeof row.mark === "number" && <i className="mark" style={{ left: place(row.mark) }} />}
              {row.low !== null && row.high !== null && <i className="range" style={{ left: place(row.low), right: `calc(100% - ${place(row.high)})` }} />}
              {row.value !== null && <i className="point" style={{ left: place(row.value) }} />}
            </span>
            <span className="value">
              {decimal(row.value)}
              {row.low !== null && row.high !== null && <small> ({decimal(row.low)} to {decimal(row.high)})</small>}
              {typeof row.mark === "number" && <span className="hidden">, {markName ?? "compared"} {decimal(row.mark)}</span>}
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}
