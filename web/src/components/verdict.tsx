import type { ReactNode } from "react";

export type Tone = "good" | "watch" | "bad" | "plain";

const SIGNS: Record<Tone, string> = { good: "✓", watch: "!", bad: "✕", plain: "·" };

/** The head of a page: its title, then its verdict in the sentence that the API gives. */
export function Verdict({ title, sentence, tone, children }: { title: string; sentence: string; tone: Tone; children?: ReactNode }) {
  return (
    <header className={`verdict ${tone}`}>
      <h1>{title}</h1>
      <p>
        <span className="sign" aria-hidden="true">
          {SIGNS[tone]}
        </span>
        <span data-testid="verdict">{sentence}</span>
      </p>
      {children}
    </header>
  );
}

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`badge ${tone}`}>
      <span aria-hidden="true">{SIGNS[tone]}</span> {children}
    </span>
  );
}
