import { expect, it } from "vitest";
import { bodyOf, withRowNumber } from "./body";

const FORM = {
  fields: [{ name: "budget", kind: "number" as const }, { name: "is_open", kind: "flag" as const }, { name: "places", kind: "numbers" as const }, { name: "note", kind: "text" as const }],
  rows: { name: "lines", fields: [{ name: "who", kind: "text" as const }, { name: "price.low", kind: "number" as const }, { name: "price.high", kind: "number" as const }] },
};

it("nests by dots, reads numbers, and leaves out what is empty", () => {
  const body = bodyOf(FORM, { budget: "8.5", is_open: false, places: "0, 2", note: " " }, [{ who: "c7", "price.low": "1", "price.high": "2" }, { who: "c8", "price.low": "" }]);
  expect(body).toEqual({ budget: 8.5, is_open: false, places: [0, 2], lines: [{ who: "c7", price: { low: 1, high: 2 } }, { who: "c8" }] });
});

it("counts the rows of a refusal from 1, as the page does", () => {
  const rows = { name: "lines", label: "Line" };
  expect(withRowNumber("lines.0.price.low: must be above 1", rows)).toBe("Line 1, price.low: must be above 1");
  expect(withRowNumber("lines.9: occurs twice", rows)).toBe("Line 10: occurs twice");
  expect(withRowNumber("budget: must be above 0", rows)).toBe("budget: must be above 0");
});
