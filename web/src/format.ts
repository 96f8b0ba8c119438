/** Numbers and instants as the pages show them. Every instant is UTC. */

const NONE = "–";

export function instant(text: string | null | undefined): string {
  return text ? text.slice(0, 16).replace("T", " ") : NONE;
}

export function day(text: string | null | undefined): string {
  return text ? text.slice(0, 10) : NONE;
}

export function decimal(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  // Neither a small probability nor a huge sum may look like another number.
  if (size >= 1e12 || (size > 0 && size < 0.5 * 10 ** -digits)) return value.toExponential(2);
  return Number.isInteger(value) && size >= 10 ? count(value) : value.toFixed(digits).replace(/\.?0+$/, (end) => (end.startsWith(".") ? "" : ""));
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : value.toLocaleString("en-GB");
}

/** A number with its noun, as `1 ingest` and `2 ingests`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function share(value: number): string {
  return `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
}

/** A length of time in its largest unit that fits. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NONE;
  const units: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"]];
  const unit = units.find(([length]) => Math.abs(seconds) >= length);
  return unit ? `${(seconds / unit[0]).toFixed(Math.abs(seconds) >= 10 * unit[0] ? 0 : 1)} ${unit[1]}` : `${seconds.toFixed(seconds < 1 ? 2 : 0)} s`;
}

export function interval(low: number | null | undefined, high: number | null | undefined): string {
  return low === null || low === undefined || high === null || high === undefined ? "" : `${decimal(low)} to ${decimal(high)}`;
}

export function anyValue(value: unknown): string {
  if (value === null || value === undefined) return NONE;
  if (typeof value === "number") return decimal(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function isPredictionId(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{26}$/i.test(text.trim());
}
