import { expect, it } from "vitest";
import { bodyOf } from "./body";

const FORM = {
  fields: [{ name: "budget", kind: "number" as const }, { name: "is_open", kind: "flag" as const }, { name: "places", kind: "numbers" as const }, { name: "note", kind: "text" as const }],
  rows: { name: "lines", fields: [{ name: "who", kind: "text" as const }, { name: "price.low", kind: "number" as const }, { name: "price.high", kind: "number" as const }] },
};

it("nests by dots, reads numbers, and leaves out what is empty", () => {
  const body = bodyOf(FORM, { budget: "8.5", is_open: false, places: "0, 2", note: " " }, [{ who: "c7", "price.low": "1", "price.high": "2" }, { who: "c8", "price.low": "" }]);
  expect(body).toEqual({ budget: 8.5, is_open: false, places: [0, 2], lines: [{ who: "c7", price: { low: 1, high: 2 } }, { who: "c8" }] });
});
