import type { Documents } from "../api/client";
import { decimal, share } from "../format";

type Distribution = Documents["DistributionDocument"];
const WIDTH = 240;
const HEIGHT = 64;

/** The shares of a column then (filled) and now (outlined), on the same bins. */
export function Histogram({ column }: { column: Distribution }) {
  const { name, then, now, edges, levels, nulls_then, nulls_now } = column;
  const most = Math.max(...then, ...now, 1e-9);
  const width = WIDTH / Math.max(then.length, 1);
  const bar = (value: number) => ({ y: HEIGHT - (HEIGHT * value) / most, height: (HEIGHT * value) / most });
  const ends = levels.length > 0 ? levels.join(", ") : `${decimal(edges[0], 2)} to ${decimal(edges[edges.length - 1], 2)}`;
  return (
    <figure className="histogram">
      <figcaption>{name}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${name}, ${ends}. ${inWords(column)}`}>
        {then.map((value, place) => (
          <rect key={place} className="then" x={place * width + 0.5} width={width - 1} {...bar(value)} />
        ))}
        {now.map((value, place) => (
          <rect key={place} className="now" x={place * width + 1} width={Math.max(width - 2, 1)} {...bar(value)} />
        ))}
      </svg>
      <p>
        {ends}
        {(nulls_then > 0 || nulls_now > 0) && `; missing ${share(nulls_then)} then, ${share(nulls_now)} now`}
      </p>
    </figure>
  );
}

/** Where the most rows were, and are. */
function inWords({ then, now, edges, levels }: Distribution): string {
  const binOf = (values: number[]) => values.indexOf(Math.max(...values));
  const nameOf = (place: number) => levels[place] ?? `${decimal(edges[place], 2)} to ${decimal(edges[place + 1], 2)}`;
  const [before, after] = [binOf(then), binOf(now)];
  return `Most common then ${nameOf(before)} (${share(then[before] ?? 0)}), now ${nameOf(after)} (${share(now[after] ?? 0)}).`;
}
