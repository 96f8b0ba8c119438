import type { Documents } from "../../api/client";
import { Table } from "../../components/table";
import { Badge } from "../../components/verdict";
import { decimal, instant, interval } from "../../format";

export function Gates({ gates, at }: { gates: Documents["GateDocument"][]; at?: string | null }) {
  return (
    <Table
      caption={at ? `Gates, checked ${instant(at)} (project time)` : "Gates"}
      rows={gates}
      keyOf={({ name, kind }) => `${name} ${kind}`}
      columns={[
        { head: "Gate", cell: ({ name }) => name },
        { head: "Verdict", cell: ({ passed, is_comparable }) => <Badge tone={passed ? "good" : is_comparable ? "bad" : "watch"}>{passed ? "passed" : is_comparable ? "failed" : "measured nothing"}</Badge> },
        { head: "Number", cell: ({ number }) => decimal(number), isNumber: true },
        { head: "Interval", cell: ({ low, high }) => interval(low, high) },
        { head: "Allowed", cell: ({ allowed }) => decimal(allowed), isNumber: true },
        { head: "In words", cell: ({ message }) => message, isText: true },
      ]}
    />
  );
}
