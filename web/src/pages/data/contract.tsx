import type { Documents } from "../../api/client";
import { Table } from "../../components/table";
import { duration, share } from "../../format";

type Source = Documents["SourceDocument"];

/** What a row of a source must look like, in the words that the rejected rows are told with. */
export function Contract({ source }: { source: Source }) {
  const { contract } = source;
  return (
    <section aria-label={`Contract of ${source.source}`}>
      <h3>Contract {contract.name}</h3>
      {contract.about !== "" && <p>{contract.about}</p>}
      <Times source={source} />
      <Table
        caption="Columns: a row that breaks a rule goes to quarantine"
        rows={contract.columns}
        keyOf={({ name }) => name}
        columns={[
          { head: "Column", cell: ({ name }) => (source.keys.includes(name) ? `${name} (key)` : name) },
          { head: "Kind", cell: ({ kind }) => kind },
          { head: "May be empty", cell: ({ nullable }) => (nullable ? "yes" : "no") },
          { head: "Default", cell: ({ default: value }) => value ?? "" },
          { head: "Rules", cell: ({ rules, description }) => [...rules, description].filter(Boolean).join("; "), isText: true },
        ]}
      />
      {contract.checks.length > 0 && (
        <Table
          caption="Checks by the author of the contract; one of the table refuses the whole batch"
          rows={contract.checks}
          keyOf={({ name }) => name}
          columns={[
            { head: "Check", cell: ({ name }) => name },
            { head: "Of", cell: ({ scope }) => (scope === "row" ? "each row" : "the table") },
            { head: "In words", cell: ({ about }) => about, isText: true },
          ]}
        />
      )}
    </section>
  );
}

function Times({ source }: { source: Source }) {
  const known = source.known_at === null ? `${duration(source.known_after_seconds)} after it` : `as the column ${source.known_at} says`;
  return (
    <p className="facts">
      {source.event_time === null ? "Rows have no time." : `The event is at ${source.event_time} (${source.zone}); a row is known ${known}.`} A batch with more than {share(source.max_rejected_share)} of rejected rows is refused whole.
    </p>
  );
}
