/**
 * What a WebSocket does, by plain requests: the daemon's frames come as server-sent events of one of
 * them, and each other brings frames of the client.
 */

import { RealtimeError } from "./errors.js";
import { parse, refusal, unreachable } from "./http.js";

// About how many characters, and how many frames, go into one request.
const LETTERS = 100_000;
const FRAMES = 500;
const CLOSE = '{"type":"close"}';
const GOING = '{"type":"close","code":1001}';
// In how many milliseconds a client that leaves says so.
const LEAVING = 5000;

/** As much of a WebSocket as the connection uses. */
export class EventSocket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  #fetch;
  #url;
  #session;
  #waiting = [];
  #isSending = false;
  #isOver = false;
  #timer;
  #controller = new AbortController();

  /**
   * Begin to open a connection.
   *
   * @param {(url: string, init: object) => Promise<Response>} fetch
   * @param {string} url  The address of the WebSocket, but with the scheme of HTTP.
   * @param {Record<string, string>} headers  The credentials.
   */
  constructor(fetch, url, headers) {
    this.#fetch = fetch;
    this.#url = url;
    globalThis.addEventListener?.("pagehide", this.#leave);
    this.#read(headers);
  }

  /**
   * The page is going, which the browser itself would say over a WebSocket. A page that the browser
   * keeps, and shows again later, then opens another connection.
   */
  #leave = () => {
    if (this.#session === undefined) return;
    const session = { "X-Aerostack-Session": this.#session };
    const url = `${this.#url.split("?")[0]}/send`;
    const init = { method: "POST", headers: session, body: GOING, keepalive: true };
    this.#fetch(url, init).catch(() => {});
  };

  send(frame) {
    if (this.#isOver) return;
    this.#waiting.push(frame);
    if (!this.#isSending) this.#flush();
  }

  /** Leave the daemon, once it has what was sent before. */
  close() {
    if (this.#session === undefined) this.#end();
    if (this.#isOver) return;
    this.send(CLOSE);
    this.#timer = setTimeout(() => this.#end(), LEAVING);
  }

  async #read(headers) {
    try {
      const response = await this.#post("/sse", headers, undefined);
      if (!response.ok) throw await this.#refusal(response);
      if (!response.body) throw new RealtimeError("refused", "fetch reads no streams here.");
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (let rest = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        const text = decoder.decode(value, { stream: true });
        const lines = text.includes("\n") ? (rest + text).split("\n") : [rest + text];
        rest = lines.pop();
        for (const line of lines) this.#line(line);
      }
      this.#end(1006);
    } catch (cause) {
      // A connection that was open is lost; only what keeps one from opening is an error.
      this.#end(1006, "", this.#session === undefined ? this.#openingError(cause) : undefined);
    }
  }

  #openingError(cause) {
    return cause instanceof RealtimeError ? cause : unreachable(this.#url.split("?")[0], false, cause);
  }

  #line(line) {
    // An empty request shows that the client is there.
    if (line === ": ping" && !this.#isSending) this.#flush(true);
    if (!line.startsWith("data: ")) return;
    const data = line.slice(6);
    if (this.#session === undefined) {
      this.#session = JSON.parse(data).session;
      this.onopen?.({});
    } else if (data.startsWith('{"type":"close"')) {
      const { code, reason } = JSON.parse(data);
      this.#end(code, reason);
    } else {
      this.onmessage?.({ data });
    }
  }

  /** Send what waits, one request after the other. */
  async #flush(isEmpty = false) {
    this.#isSending = true;
    // What is sent in the same turn goes together.
    await null;
    try {
      let most = FRAMES;
      while ((this.#waiting.length || isEmpty) && !this.#isOver) {
        isEmpty = false;
        const frames = this.#next(most);
        const body = frames.length === 1 ? frames[0] : `[${frames}]`;
        const session = { "X-Aerostack-Session": this.#session };
        const response = await this.#post("/send", session, body);
        if (response.status === 413 && frames.length > 1) {
          // Each of them may be small enough.
          most = 1;
        } else if (response.status === 413) {
          this.#end(1009, (await this.#refusal(response)).message);
        } else if (response.status !== 202) {
          this.#end(1006);
        } else {
          // An answer that is not read can keep its connection.
          await response.text();
          this.#waiting.splice(0, frames.length);
          if (frames.includes(CLOSE)) this.#end();
        }
      }
    } catch {
      // The daemon may have got some of the frames. On the next connection the client finds out.
      this.#end(1006);
    }
    this.#isSending = false;
  }

  #next(most) {
    let letters = 0;
    let count = 0;
    for (const frame of this.#waiting) {
      letters += frame.length;
      if (count === most || (count > 0 && letters > LETTERS)) break;
      count += 1;
    }
    return this.#waiting.slice(0, count);
  }

  #post(path, headers, body) {
    const [address, query] = this.#url.split("?");
    const { signal } = this.#controller;
    const full = path === "/sse" ? `${path}?${query}&ids=0&pongs=1` : path;
    return this.#fetch(address + full, { method: "POST", headers, body, signal });
  }

  /** Why the daemon does not take a request. */
  async #refusal(response) {
    return refusal(this.#url.split("?")[0], response.status, parse(await response.text()));
  }

  #end(code, reason = "", error = undefined) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("pagehide", this.#leave);
    this.#controller.abort();
    this.onclose?.({ code, reason, error });
  }
}
