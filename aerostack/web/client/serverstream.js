/**
 * Token streams that a server writes.
 */

import { Draft } from "./draft.js";
import { RealtimeError } from "./errors.js";
import { readAnswer } from "./http.js";
import { encode } from "./outgoing.js";
import { UIWriter, readChunks } from "./uistream.js";

// Milliseconds for which text gathers before it goes out.
const WINDOW = 40;
// How much text may wait for the daemon; then `write` waits.
const MOST = 1_048_576;
// How much of the reason of a failure counts.
const LONGEST_ERROR = 1000;
// With these the daemon refuses what was written, however often it is sent.
const REFUSALS = new Set(["invalid_arguments", "stream_mismatch", "too_large"]);

/** The stream takes nothing more. */
export class StreamEnded extends RealtimeError {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} state
   * @param {string} [by]
   */
  constructor(code, message, state, by) {
    super(code, message);
    /** `done`, `failed`, `cancelled` or `aborted`; `streaming` if another producer goes on. */
    this.state = state;
    /** The user who cancelled it, if the daemon says so. */
    this.by = by;
  }
}

/**
 * Read an answer about a stream. One that says that text is missing is no error.
 *
 * @returns {any} With `gap`: what the daemon has of the stream.
 */
export function readStreamAnswer(baseUrl, status, body) {
  if (status < 300 || typeof body?.error !== "string") return readAnswer(baseUrl, status, body);
  const { error, message, state, by } = body;
  if (error === "stream_gap") return { gap: body };
  if (error === "stream_ended") throw new StreamEnded(error, message, state, by);
  if (error === "stream_fenced") throw new StreamEnded(error, message, "streaming");
  if (error === "stream_unknown") throw new StreamEnded(error, message, "unknown");
  return readAnswer(baseUrl, status, body);
}

export class TokenStream {
  id;
  #call;
  #watch;
  #epoch;
  #beat;
  #draft = new Draft();
  #controller = new AbortController();
  #isEnding = false;
  #error = null;
  // Ends the pause of the loop; what was written ends it only while the loop has nothing to do.
  #wake = () => {};
  #isIdle = false;
  // Resolve when the daemon has taken something.
  #waiting = [];
  #running;

  /**
   * @param {(method: string, ...args: any[]) => Promise<any>} call
   * @param {(called: Promise<any>) => Promise<any>} watch  Calls `onError` if a call fails.
   * @param {{ stream: string, epoch: number, lease: number }} started  The daemon's answer.
   */
  constructor(call, watch, { stream, epoch, lease }) {
    this.id = stream;
    this.#call = call;
    this.#watch = watch;
    this.#epoch = epoch;
    this.#beat = lease / 3;
    this.#running = this.#run();
  }

  get signal() {
    return this.#controller.signal;
  }

  write(text, { part = "0", kind = "text", reset = undefined } = {}) {
    return this.#written(() => this.#draft.write(part, kind, text, reset));
  }

  reason(text, { part = "reasoning", reset = undefined } = {}) {
    return this.write(text, { part, kind: "reasoning", reset });
  }

  tool(call, name, value = {}) {
    return this.#written(() => this.#draft.put(call, "tool", { name, ...value }));
  }

  data(id, name, value) {
    return this.#written(() => this.#draft.put(id, "data", { name, value }));
  }

  async pipe(chunks) {
    const writer = new UIWriter(this);
    try {
      await readChunks(chunks, this.signal, (chunk) => writer.write(chunk));
    } catch (error) {
      await this.close();
      throw error;
    }
    return writer.failure === null ? this.end() : this.fail(writer.failure);
  }

  end(usage) {
    return this.#watch(this.#end({ state: "done", usage }));
  }

  fail(error) {
    // The cut may leave half of a character.
    const reason = wholeCharacters(`${error}`.slice(0, LONGEST_ERROR));
    return this.#watch(this.#end({ state: "failed", error: reason }));
  }

  async close() {
    if (this.#error || this.#isEnding) return;
    try {
      await this.fail("The producer did not finish it.");
    } catch {
      // The error that has left the block says more. The end of the lease ends the stream.
    }
  }

  // From the application

  #written(write) {
    const writing = this.#write(write);
    // A program that does not wait for this promise gets the error from the next write or the end.
    writing.catch(() => {});
    return writing;
  }

  async #write(write) {
    this.#check();
    write();
    if (this.#isIdle) this.#wake();
    while (this.#draft.waiting > MOST) {
      await new Promise((resolve) => this.#waiting.push(resolve));
      if (this.#error) throw this.#error;
    }
  }

  #check() {
    if (this.#error) throw this.#error;
    if (this.#isEnding) throw new StreamEnded("stream_ended", "The stream was ended.", "done");
  }

  async #end(options) {
    this.#check();
    // What cannot be sent ends nothing.
    encode(options);
    this.#isEnding = true;
    this.#wake();
    await this.#running;
    if (this.#error) throw this.#error;
    for (;;) {
      const whole = { ...options, ...this.#draft.whole };
      const answer = await this.#call("ai.end", this.id, this.#epoch, whole);
      if (!answer.gap) return answer;
      // The daemon was restarted since it took all text.
      this.#draft.rewind(answer.gap);
      if (!this.#draft.isPending) throw new RealtimeError(answer.gap.error, answer.gap.message);
      while (this.#draft.isPending) await this.#append();
    }
  }

  // To the daemon

  async #run() {
    try {
      while (await this.#next());
    } catch (error) {
      this.#error = error;
      this.#controller.abort(error);
      this.#release();
      if (REFUSALS.has(error.code)) await this.#endRefused(error);
    }
    this.#release();
  }

  /** Send what is due. */
  async #next() {
    const draft = this.#draft;
    if (!draft.isPending && !this.#isEnding) {
      this.#isIdle = true;
      // A program that forgets to end its stream can end itself.
      await this.#pause(this.#beat, false);
      this.#isIdle = false;
    }
    // More comes in a moment, most likely. The first text does not wait for it.
    if (draft.isPending && draft.hasFlown && !this.#isEnding) await this.#pause(WINDOW, true);
    if (draft.isPending) await this.#append();
    else if (this.#isEnding) return false;
    else await this.#sendBeat();
    return true;
  }

  async #append() {
    const answer = await this.#call("ai.append", this.id, this.#epoch, this.#draft.take());
    if (answer.gap) this.#draft.rewind(answer.gap);
    else this.#draft.taken();
    this.#release();
  }

  /** End the stream, of which the daemon refuses a part. */
  async #endRefused({ code }) {
    const reason = `The daemon refused a part of it: ${code}.`;
    try {
      await this.#call("ai.end", this.id, this.#epoch, { state: "failed", error: reason });
    } catch {
      // The application gets the refusal. The end of the lease ends the stream.
    }
  }

  async #sendBeat() {
    try {
      await this.#call("ai.beat", this.id, this.#epoch);
    } catch (error) {
      // The daemon may be back for the next text, or for the next beat.
      if (error instanceof StreamEnded) throw error;
    }
  }

  #release() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #pause(time, holdsProgram) {
    return /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        /** @type {any} */
        const timer = setTimeout(resolve, time);
        if (!holdsProgram) timer.unref?.();
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      })
    );
  }
}

/** A text with a replacement character for each half of a character. */
function wholeCharacters(text) {
  return text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (found) =>
    found.length === 1 ? "\ufffd" : found,
  );
}

// `await using` calls it. Node.js 18 has the symbol from 18.18.
const { asyncDispose } = /** @type {any} */ (Symbol);
if (asyncDispose) TokenStream.prototype[asyncDispose] = TokenStream.prototype.close;
