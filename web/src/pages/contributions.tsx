import { useState } from "react";
import type { Documents } from "../api/client";
import { anyValue, decimal } from "../format";

const MOST = 12;
const SPACES: Record<string, string> = { score: "on the scale of log odds, which the model turns into a probability", output: "on the scale of the prediction" };

/** A line of the sum that is no column. */
function Total({ label, value, testId }: { label: string; value: number | undefined; testId?: string }) {
  return (
    <li className="total">
      <span className="label">{label}</span>
      <span className="spacer" />
      <span className="value" data-testid={testId}>
        {decimal(value)}
      </span>
    </li>
  );
}

/** What each column added to one output, from its base; the largest first. */
export function ContributionBars({ found }: { found: Documents["Contributions"] }) {
  const outputs = Object.keys(found.base);
  const [output, setOutput] = useState(outputs[0] ?? "");
  const rows = found.contributions.map(({ column, value, adds }) => ({ column, value, added: adds[output] ?? 0 })).sort((one, other) => Math.abs(other.added) - Math.abs(one.added));
  const most = Math.max(...rows.map(({ added }) => Math.abs(added)), 1e-12);
  const rest = rows.slice(MOST).reduce((total, { added }) => total + added, 0);
  return (
    <div className="contributions">
      {outputs.length > 1 && (
        <label>
          Output{" "}
          <select value={output} onChange={(event) => setOutput(event.target.value)}>
            {outputs.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <p>
        {output}: from the base value, which is the mean over the reference rows, each column adds to the prediction; {SPACES[found.space] ?? found.space}, by {found.method}.
      </p>
      <ul>
        <Total label="base value" value={found.base[output]} testId="base" />
        {rows.slice(0, MOST).map(({ column, value, added }) => (
          <li key={column}>
            <span className="label">
              {column} = {anyValue(value)}
            </span>
            <span className="bar" aria-hidden="true">
              <i className={added < 0 ? "less" : "more"} style={{ width: `${(50 * Math.abs(added)) / most}%` }} />
            </span>
            <span className="value" data-testid={`adds-${column}`}>
              {added > 0 ? "+" : ""}
              {decimal(added)}
            </span>
          </li>
        ))}
        {rows.length > MOST && <Total label={`${rows.length - MOST} more columns together`} value={rest} />}
        <Total label="sum" value={found.total[output]} testId="total" />
        {found.space === "score" && <Total label="prediction (probability)" value={found.prediction[output]} testId="prediction" />}
      </ul>
    </div>
  );
}
