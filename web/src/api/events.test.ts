import { expect, it } from "vitest";
import { eventDocuments } from "./events";

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      chunks.forEach((chunk) => controller.enqueue(encoder.encode(chunk)));
      controller.close();
    },
  });
}

it("reads documents that arrive in pieces, and leaves out one that is not whole", async () => {
  const found = [];
  for await (const one of eventDocuments(streamOf('data: {"a"', ':1}\n\ndata: {"a":2}\n\n', 'data: {"a":'))) found.push(one);
  expect(found).toEqual([{ a: 1 }, { a: 2 }]);
});
