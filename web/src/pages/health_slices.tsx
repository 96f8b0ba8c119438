import type { Documents } from "../api/client";
import { Empty } from "../components/states";
import { Table } from "../components/table";
import { Badge } from "../components/verdict";
import { count, decimal, interval, share } from "../format";
import type { PageProps } from "./page_props";

type Slices = Documents["SlicesDocument"];
type Slice = Documents["SliceDocument"];

/** Which rows the page shows: all of them, or one slice, which stands in the address. */
export function SliceChoice({ slices, slice, show }: { slices: Slices; slice: Slice | null; show: PageProps["show"] }) {
  if (slices.slices.length === 0) return null;
  return (
    <div className="filters">
      <label>
        Predictions{" "}
        <select value={slice?.label ?? ""} onChange={(event) => show({ slice: event.target.value || undefined })}>
          <option value="">all</option>
          {slices.slices.map(({ label, field, value }) => (
            <option key={label} value={label}>
              {field} = {value}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

interface SliceTableProps {
  slices: Slices;
  score: string;
  chosen: string | undefined;
  show: PageProps["show"];
}

/** The loss of each slice. Only a corrected test calls one worse. */
export function SliceTable({ slices, score, chosen, show }: SliceTableProps) {
  return (
    <section>
      <h2>Slices</h2>
      {slices.slices.length === 0 ? (
        <Empty>{slices.message}</Empty>
      ) : (
        <>
          <p data-testid="slices">{slices.message}</p>
          <Table
            caption={`${score} by slice, the largest slice first`}
            rows={slices.slices}
            keyOf={({ label }) => label}
            isMarked={({ label }) => label === chosen}
            columns={[
              { head: "Slice", cell: (one) => <Choice slice={one} show={show} /> },
              { head: "Rows", cell: ({ rows }) => count(rows), isNumber: true },
              { head: "With outcome", cell: ({ coverage }) => (coverage === null ? "none is mature" : share(coverage)), isNumber: true },
              { head: score, cell: ({ loss, rows }) => (loss === null ? (rows === 0 ? "no outcome yet" : "too few rows") : decimal(loss.value)), isNumber: true },
              { head: "95 %", cell: ({ loss }) => interval(loss?.low, loss?.high) },
              { head: "Test rows", cell: ({ loss }) => decimal(loss?.test), isNumber: true },
              { head: "Other rows", cell: ({ others }) => decimal(others), isNumber: true },
              { head: "Verdict", cell: (one) => <Verdict slice={one} /> },
            ]}
          />
        </>
      )}
    </section>
  );
}

function Choice({ slice, show }: { slice: Slice; show: PageProps["show"] }) {
  return (
    <button type="button" className="link" onClick={() => show({ slice: slice.label })}>
      {slice.field} = {slice.value}
    </button>
  );
}

function Verdict({ slice }: { slice: Slice }) {
  if (slice.p_value === null) return <Badge tone="plain">not compared</Badge>;
  const chance = `p = ${decimal(slice.p_value, 3)}`;
  return <Badge tone={slice.is_worse ? "bad" : "plain"}>{slice.is_worse ? `worse, ${chance}` : `not worse, ${chance}`}</Badge>;
}
