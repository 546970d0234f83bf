/**
 * The newest frames of a topic.
 */

// Characters of a frame's data that are kept.
const LONGEST = 4000;
// How many frames are shown, and how many are kept, so that a filter finds more.
export const MOST = 200;
export const KEPT = 1000;

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

/** Whether a text contains another one, whatever the case. */
const has = (text, part) => text.toLowerCase().includes(part);

/** The newest frames of a topic. While the list is paused, new frames wait. */
export class Frames {
  passed = 0;
  skipped = 0;
  #event = "";
  #user = "";
  #kept = [];
  #waiting = [];
  #paused = false;
  #number = 0;

  /** The frames to show, oldest first: the newest that the filter lets through. */
  get shown() {
    if (!this.isFiltered) return this.#kept.slice(-MOST);
    const found = this.#kept.filter(
      ({ name, user }) => has(name, this.#event) && has(user, this.#user),
    );
    return found.slice(-MOST);
  }

  get isFiltered() {
    return this.#event !== "" || this.#user !== "";
  }

  /** Show only frames whose names and users contain these texts. */
  filter(event, user) {
    this.#event = event.trim().toLowerCase();
    this.#user = user.trim().toLowerCase();
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
    const list = this.#paused ? this.#waiting : this.#kept;
    list.push({ number: ++this.#number, ...describe(frame, now) });
    if (list.length > KEPT) list.shift();
  }

  pause() {
    this.#paused = true;
  }

  /** End the pause, and show the frames that waited. */
  resume() {
    this.#paused = false;
    this.#kept = [...this.#kept, ...this.#waiting].slice(-KEPT);
    this.#waiting = [];
  }

  clear() {
    this.#kept = [];
    this.#waiting = [];
    this.passed = this.skipped = 0;
  }
}
