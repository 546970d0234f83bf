/**
 * The UI message stream of the AI SDK, as the growth of a token stream.
 */

// What the id of a part is made of.
const NAME = /^[\w.:-]{1,64}$/;

const PREFIXES = { text: "", reasoning: "r", tool: "c", data: "d" };

/** Writes the chunks of a UI message stream into a token stream. */
export class UIWriter {
  #stream;
  // The ids of the parts by kind and by the SDK's own id. Those can be anything, and text of different
  // steps has the same.
  #parts = new Map();
  #names = new Set();
  #tools = new Map();
  // The parts with text of this step, and their kinds.
  #step = new Map();
  #isFinished = false;
  #failure = null;

  /** @param {import("./serverstream.js").TokenStream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /** Why the stream has failed; `null` if the chunks say that it is whole. */
  get failure() {
    if (this.#failure !== null) return this.#failure;
    return this.#isFinished ? null : "The producer's answer ended in the middle.";
  }

  /** Write a chunk. Watchers do not need the types that are not handled here. */
  async write(chunk) {
    const { type, id, toolCallId: call } = chunk;
    switch (type) {
      case "text-start":
      case "reasoning-start":
        this.#parts.delete(`${kindOf(type)} ${id}`);
        break;
      case "text-delta":
      case "reasoning-delta":
        return this.#grow(kindOf(type), id, chunk.delta);
      case "tool-input-start":
        return this.#tool(call, chunk.toolName, {});
      case "tool-input-delta":
        return this.#grow("tool", call, chunk.inputTextDelta);
      case "tool-input-available":
        return this.#tool(call, chunk.toolName, { input: chunk.input ?? null });
      case "tool-input-error":
      case "tool-output-error":
        return this.#tool(call, chunk.toolName, { error: chunk.errorText });
      case "tool-output-denied":
        return this.#tool(call, undefined, { error: "The call was denied." });
      case "tool-output-available":
        return this.#tool(call, undefined, { output: chunk.output ?? null });
      case "source-url":
      case "source-document": {
        const { url, mediaType, title, filename } = chunk;
        return this.#data(chunk.sourceId, type, { url, mediaType, title, filename });
      }
      case "file":
        // A picture within its URL is longer than a value may be.
        if (!chunk.url.startsWith("data:")) {
          return this.#data(undefined, type, { url: chunk.url, mediaType: chunk.mediaType });
        }
        break;
      case "start-step":
        this.#step.clear();
        break;
      case "reset-step":
        for (const [part, kind] of this.#step) await this.#stream.write("", { part, kind, reset: 0 });
        break;
      case "finish":
        this.#isFinished = true;
        break;
      case "abort":
        this.#failure ??= chunk.reason || "The producer has stopped the answer.";
        break;
      case "error":
        this.#failure ??= chunk.errorText || "The producer's answer failed.";
        break;
      default:
        if (type.startsWith("data-") && !chunk.transient) return this.#data(id, type.slice(5), chunk.data);
    }
  }

  async #grow(kind, id, text) {
    if (!text) return;
    const part = this.#partOf(kind, id);
    this.#step.set(part, kind);
    await this.#stream.write(text, { part, kind });
  }

  async #tool(id, name, value) {
    const part = this.#partOf("tool", id);
    if (name !== undefined) this.#tools.set(part, name);
    await this.#stream.tool(part, this.#tools.get(part) ?? "tool", value);
  }

  async #data(id, name, value) {
    await this.#stream.data(this.#partOf("data", id), name, value ?? null);
  }

  /** The id of the part for what the SDK calls so; a new one without an id. */
  #partOf(kind, id) {
    const key = `${kind} ${id}`;
    let part = id === undefined ? undefined : this.#parts.get(key);
    if (part === undefined) {
      const isOwn = kind === "tool" || kind === "data";
      part = isOwn && NAME.test(id ?? "") && !this.#names.has(id) ? id : this.#newName(kind);
      this.#names.add(part);
      this.#parts.set(key, part);
    }
    return part;
  }

  #newName(kind) {
    let count = 0;
    while (this.#names.has(PREFIXES[kind] + count)) count += 1;
    return PREFIXES[kind] + count;
  }
}

const kindOf = (type) => type.slice(0, type.indexOf("-"));

/**
 * Read chunks until there are no more.
 *
 * @param {any} chunks  A `ReadableStream`, or another thing that `for await` takes.
 * @param {AbortSignal} signal  Ends the reading at once, and lets go of what is read.
 * @param {(chunk: any) => Promise<void>} take
 */
export async function readChunks(chunks, signal, take) {
  // The iterator of a `ReadableStream` cannot be left while it waits for a chunk; its reader can.
  const reader = chunks.getReader?.();
  const iterator = reader ? null : chunks[Symbol.asyncIterator]();
  const leave = (reason) => (reader ? reader.cancel(reason) : iterator.return?.());
  let stop = () => {};
  const stopped = () => stop();
  signal.addEventListener("abort", stopped);
  let isOver = false;
  try {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      // With one promise of the abort for all reads, that promise would hold every chunk until the end.
      const { done, value } = await new Promise((resolve, reject) => {
        stop = () => reject(signal.reason);
        Promise.resolve(reader ? reader.read() : iterator.next()).then(resolve, reject);
      });
      isOver = done;
      if (done) return;
      await take(value);
    }
  } catch (error) {
    // Nothing waits for the end of what is left.
    if (!isOver) Promise.resolve(leave(error)).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", stopped);
  }
}
