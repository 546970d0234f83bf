/**
 * The cursors and names of the users of a document: an `Awareness` of y-protocols over presence.
 */

import { applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from "y-protocols/awareness";

import { decodeBytes, encodeBytes } from "./docmessages.js";

// The client sends its state at most once in this time, in milliseconds.
const PAUSE = 100;

/** Keeps an `Awareness` and the presence on a channel the same. */
export class AwarenessLink {
  #channel;
  #awareness;
  /** The updates of members by `connectionId`, and the ids that they brought. */
  #members = new Map();
  #timer;
  #isDue = false;

  constructor(channel, awareness) {
    this.#channel = channel;
    this.#awareness = awareness;
    awareness.on("update", this.#changed);
    channel.presence.onChange((members) => this.#show(members));
    channel.onStateChange((state) => {
      // Other clients have forgotten the state if they saw this client leave. They take it again if
      // its clock is later.
      const own = awareness.getLocalState();
      if (state === "subscribed" && own !== null) awareness.setLocalState(own);
    });
    this.#send();
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#awareness.off("update", this.#changed);
    this.#channel.untrack();
    this.#show(new Map());
  }

  #changed = ({ added, updated, removed }, origin) => {
    if (origin === this) return;
    if (![...added, ...updated, ...removed].includes(this.#awareness.clientID)) return;
    this.#isDue = true;
    if (this.#timer === undefined) this.#send();
  };

  #send() {
    this.#isDue = false;
    const { clientID } = this.#awareness;
    if (this.#awareness.getLocalState() === null) {
      this.#channel.untrack();
    } else {
      const update = encodeAwarenessUpdate(this.#awareness, [clientID]);
      this.#channel.track({ awareness: encodeBytes(update) });
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isDue) this.#send();
    }, PAUSE);
  }

  #show(members) {
    for (const [connectionId, { state }] of members) {
      const text = state?.awareness;
      const known = this.#members.get(connectionId);
      if (typeof text === "string" && known?.text !== text) this.#take(connectionId, text, known);
    }
    for (const [connectionId, { ids }] of this.#members) {
      if (members.has(connectionId)) continue;
      this.#members.delete(connectionId);
      this.#remove(ids);
    }
  }

  /** Take the state of another member. */
  #take(connectionId, text, known) {
    const before = new Set(known?.ids);
    const learn = ({ added, updated, removed }) => {
      for (const id of [...added, ...updated]) before.add(id);
      for (const id of removed) before.delete(id);
    };
    this.#awareness.on("update", learn);
    try {
      const bytes = decodeBytes(text);
      if (bytes !== null) applyAwarenessUpdate(this.#awareness, bytes, this);
    } catch {
      // Another client has published something else as its state; there is no cursor to show.
    } finally {
      this.#awareness.off("update", learn);
    }
    before.delete(this.#awareness.clientID);
    this.#members.set(connectionId, { text, ids: before });
  }

  #remove(ids) {
    const others = new Set([...this.#members.values()].flatMap(({ ids }) => [...ids]));
    const gone = [...ids].filter((id) => !others.has(id));
    if (gone.length) removeAwarenessStates(this.#awareness, gone, this);
  }
}
