/** The JSON documents of a stream of server-sent events, as they arrive. A browser's EventSource can send no key. */
export async function* eventDocuments(stream: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice("data: ".length));
    }
  } finally {
    void reader.cancel();
  }
}
