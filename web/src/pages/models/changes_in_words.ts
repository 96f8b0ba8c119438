import type { Documents } from "../../api/client";

/** What a change did, a line each. What changes no stage is an approval. */
export function changesInWords({ changes, messages, stages }: Documents["DecisionDone"]): string[] {
  const moves = changes.map(({ version, from_stage, to_stage }) => (from_stage === to_stage ? `Version ${version} is approved, and stays in ${to_stage}.` : `Version ${version}: ${from_stage} → ${to_stage}.`));
  return [...moves, ...messages, stages.sentence];
}
