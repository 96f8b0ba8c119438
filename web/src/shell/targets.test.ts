import { expect, it } from "vitest";
import { type Known, targetsFor } from "./targets";

const KNOWN: Known = {
  projects: ["shop", "leads"],
  project: "shop",
  versions: [{ version: 12, semantic_version: "1.2.0", stage: "Staging", name: "logistic" }],
  pages: [{ path: "orders", title: "Orders" }],
  entities: [{ kind: "customers", key: "c7" }],
};

it("leads to a prediction by its whole id, in any case", () => {
  const [first] = targetsFor("01m8fknzs0nh3qkzryefxpjd9a", KNOWN);
  expect(first).toMatchObject({ page: "explain", search: { prediction: "01M8FKNZS0NH3QKZRYEFXPJD9A" } });
});

it("finds a version by number, stage or name", () => {
  for (const text of ["version 12", "staging", "logistic"]) expect(targetsFor(text, KNOWN)[0]).toMatchObject({ page: "models", search: { version: "12" } });
});

it("finds an entity and a page of another project", () => {
  expect(targetsFor("c7", KNOWN)[0]?.search).toEqual({ kind: "customers", entity: "c7" });
  expect(targetsFor("health leads", KNOWN)[0]).toMatchObject({ project: "leads", page: "health" });
});

it("finds a page that the project declares", () => {
  expect(targetsFor("orders", KNOWN)[0]).toMatchObject({ project: "shop", page: "orders" });
});

it("shows pages of the present project first, and nothing for a text that fits nothing", () => {
  expect(targetsFor("", KNOWN).find(({ page }) => page === "models" )?.project).toBe("shop");
  expect(targetsFor("zzz", KNOWN)).toEqual([]);
});
