import type { Documents } from "../../api/client";

/** What a change did, a line each. */
export function changesInWords({ changes, messages, stages }: Documents["DecisionDone"]): string[] {
  const moves = changes.map(({ version, from_stage, to_stage }) => (from_stage === to_stage ? `Version ${version} stays in ${to_stage}; noted in the journal.` : `Version ${version}: ${from_stage} → ${to_stage}.`));
  return [...moves, ...messages, stages.sentence];
}
