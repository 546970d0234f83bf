/**
 * The daemon as a user of the project has it: with the rights of that user, not of the operator.
 */

import { RealtimeClient } from "../client/realtime.js";
import { ApiError } from "./api.js";
import { daemon } from "../shared/dom.js";

// How many frames wait to be shown; of more, the number is told.
const WAITING = 1000;

/** Frames that a client has got, for a loop that reads them. */
class Queue {
  #items = [];
  #skipped = 0;
  /** @type {(value?: any) => void} */
  #wake = () => {};

  push(item) {
    if (this.#items.length < WAITING) this.#items.push(item);
    else this.#skipped += 1;
    this.#wake();
  }

  wake() {
    this.#wake();
  }

  /** Wait until there is something, or until `wake`; give all of it. */
  async take() {
    if (!this.#items.length) await new Promise((resolve) => (this.#wake = resolve));
    const items = this.#items;
    if (this.#skipped) items.push({ type: "skipped", count: this.#skipped });
    this.#items = [];
    this.#skipped = 0;
    return items;
  }
}

/** Whether a credential is a token, and not a key. */
const isToken = (credential) => credential.split(".").length === 3;

/** A user of the project. It has what the inspector needs of `Api`. */
export class Acting {
  #options;

  /**
   * @param {string} projectId
   * @param {string} userId  Empty for a user whom a token names.
   * @param {string} credential  A public key or a token; empty where the project needs none.
   */
  constructor(projectId, userId, credential) {
    // The browser would throw for it, and say something else.
    if (!/^[\x21-\x7e]*$/.test(credential)) {
      throw new ApiError(400, "unauthorized", "A key or token has no spaces or accents.");
    }
    this.#options = {
      baseUrl: daemon,
      projectId,
      ...(userId && { userId }),
      ...(credential && (isToken(credential) ? { token: credential } : { apiKey: credential })),
    };
  }

  /** The frames of a topic as the user gets them, until the signal ends it; see `Api.watch`. */
  async *watch(topic, signal) {
    const queue = new Queue();
    const client = this.#connect((error) => queue.push({ error }));
    signal.addEventListener("abort", () => queue.wake());
    try {
      const channel = client.channel(topic);
      channel.onStateChange((state) => {
        if (state === "subscribed") queue.push({ type: "watching", topic: channel.topic ?? topic });
      });
      channel.on("*", (frame) => queue.push(frame));
      channel.subscribe();
      while (!signal.aborted) {
        for (const item of await queue.take()) {
          if (item.error) throw this.#explained(item.error);
          yield item;
        }
      }
    } finally {
      client.disconnect();
    }
  }

  /** Publish an event as the user; see `Api.publish`. */
  async publish(topic, event, data, persist) {
    let client;
    const refused = new Promise((_, reject) => {
      client = this.#connect((error) => reject(this.#explained(error)));
    });
    try {
      const sent = client.channel(topic).publish(event, data, { persist });
      return await Promise.race([sent, refused]);
    } catch (error) {
      throw error instanceof ApiError ? error : this.#explained(error);
    } finally {
      client.disconnect();
    }
  }

  /** What an error of the client means: the connection has ended, or the daemon refuses the user. */
  #explained({ code, message }) {
    if (code === "max_retries") return new ApiError(0, "ended", "The connection has ended.");
    const { projectId, apiKey, token } = this.#options;
    const isMissing = code === "unauthorized" && !apiKey && !token;
    const missing = `The project ${projectId} needs its public key or a token.`;
    return new ApiError(400, code, isMissing ? missing : message);
  }

  #connect(onError) {
    const client = new RealtimeClient({ ...this.#options, maxReconnectAttempts: 0, onError });
    client.onStatusChange((status, { error }) => {
      if (status === "disconnected" && error) onError(error);
    });
    return client;
  }
}
