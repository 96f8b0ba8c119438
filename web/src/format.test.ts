import { describe, expect, it } from "vitest";
import { count, counted, decimal, duration, instant, interval, isPredictionId, share } from "./format";

describe("format", () => {
  it("shows an instant to the minute, and a dash where there is none", () => {
    expect(instant("2009-04-15T12:30:59Z")).toBe("2009-04-15 12:30");
    expect(instant(null)).toBe("–");
  });
  it("drops the zeros at the end of a decimal and groups thousands", () => {
    expect([decimal(0.98), decimal(1), decimal(0.12345), decimal(1521), decimal(null), decimal(-10.5)]).toEqual(["0.98", "1", "0.1235", "1,521", "–", "-10.5"]);
    expect(count(1234567)).toBe("1,234,567");
    expect([counted(1, "ingest"), counted(1200, "ingest")]).toEqual(["1 ingest", "1,200 ingests"]);
  });
  it("keeps the zeros of a whole number", () => {
    expect([decimal(100), decimal(20), decimal(0)]).toEqual(["100", "20", "0"]);
  });
  it("writes what would look like zero, or has too many digits, with an exponent", () => {
    expect([decimal(0.0000012), decimal(0.0004), decimal(-3e-7, 2), decimal(1.5e15)]).toEqual(["1.20e-6", "0.0004", "-3.00e-7", "1.50e+15"]);
  });
  it("shows a length of time in its largest unit", () => {
    expect([duration(0.25), duration(42), duration(90), duration(7200), duration(86400 * 12)]).toEqual(["0.25 s", "42 s", "1.5 min", "2.0 h", "12 d"]);
  });
  it("shows an interval only where both ends are known", () => {
    expect([interval(0.1, 0.2), interval(null, 0.2)]).toEqual(["0.1 to 0.2", ""]);
    expect(share(0.053)).toBe("5.3 %");
  });
  it("knows the id of a prediction", () => {
    expect([isPredictionId("01M8FKNZS0NH3QKZRYEFXPJD9A"), isPredictionId("version 3")]).toEqual([true, false]);
  });
});
