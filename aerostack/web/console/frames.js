/**
 * The newest frames of a topic.
 */

// Characters of a frame's data that are kept.
const LONGEST = 4000;
// How many frames are kept.
export const MOST = 200;

const KINDS = { INSERT: "insert", UPDATE: "update", DELETE: "delete" };

function shorten(text) {
  if (text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST)}… (${text.length.toLocaleString("en")} characters in all)`;
}

/** What the inspector shows of a frame: its time, name, user and position, and its data as text. */
export function describe(frame, now) {
  const { type, operation, event, data, old, userId, pos, timestamp, ...rest } = frame;
  const shown = { at: timestamp ?? now, name: operation ?? event ?? type, user: userId ?? "" };
  const value = operation === "UPDATE" && old !== undefined ? { old, new: data } : data;
  return {
    ...shown,
    kind: KINDS[operation] ?? (event?.startsWith("presence:") ? "presence" : "event"),
    pos: pos ?? "",
    text: shorten(JSON.stringify(value === undefined ? rest : value)),
  };
}

/** The newest frames of a topic. While the list is paused, new frames wait. */
export class Frames {
  passed = 0;
  skipped = 0;
  #shown = [];
  #waiting = [];
  #paused = false;
  #number = 0;

  /** The frames to show, oldest first. */
  get shown() {
    return this.#shown;
  }

  get waiting() {
    return this.#waiting.length;
  }

  get isPaused() {
    return this.#paused;
  }

  add(frame, now) {
    if (frame.type === "skipped") {
      this.skipped += frame.count;
      return;
    }
    this.passed += 1;
    const list = this.#paused ? this.#waiting : this.#shown;
    list.push({ number: ++this.#number, ...describe(frame, now) });
    if (list.length > MOST) list.shift();
  }

  pause() {
    this.#paused = true;
  }

  /** End the pause, and show the frames that waited. */
  resume() {
    this.#paused = false;
    this.#shown = [...this.#shown, ...this.#waiting].slice(-MOST);
    this.#waiting = [];
  }

  clear() {
    this.#shown = [];
    this.#waiting = [];
    this.passed = this.skipped = 0;
  }
}
