/**
 * What a server has written of a stream, and how much of it the daemon has. Lengths and places are in
 * UTF-16 code units, as JavaScript's.
 */

import { encode } from "./outgoing.js";

// How long the text of one operation is at most.
const LONGEST = 16_384;
// About how much goes out together.
const BATCH = 4 * LONGEST;

/**
 * All that the server has written, in order. The draft also keeps what the daemon has: a daemon that was
 * restarted may have lost the newest text, and gets it again.
 */
export class Draft {
  // Each is what one operation brings: text, or a value.
  #pieces = [];
  #lengths = new Map();
  #editions = new Map();
  // How many pieces the daemon has; how many of the others are under way; how many have ever been.
  #taken = 0;
  #flying = 0;
  #flown = 0;
  /** How much text the daemon does not have. */
  waiting = 0;

  /** Whether there is something to send, and nothing is under way. */
  get isPending() {
    return this.#flying === 0 && this.#taken < this.#pieces.length;
  }

  /** Whether anything has gone out. */
  get hasFlown() {
    return this.#flown > 0;
  }

  /**
   * Add text to a part.
   *
   * @param {string} part
   * @param {string} kind
   * @param {string} text
   * @param {number} [reset]  Take back first what was written of the part behind this place.
   * @throws {TypeError | RangeError} The text is none, or the reset is no place between two characters.
   */
  write(part, kind, text, reset) {
    if (typeof text !== "string") throw new TypeError(`write takes a text, not ${typeof text}.`);
    // Refuses half a character.
    encode(text);
    if (reset !== undefined) {
      this.#checkPlace(part, reset);
      // An edition of its own says only where the part is cut, and the next one brings the text. A
      // daemon that was restarted may have lost both; it would take later text of one edition for its
      // beginning, and refuses the text of an edition that leaves one out.
      this.#takeBack(part, reset);
      this.#add(part, kind, "");
      this.#takeBack(part, reset);
      if (text === "") this.#add(part, kind, "");
    }
    for (let begin = 0, end; begin < text.length; begin = end) {
      end = Math.min(begin + LONGEST, text.length);
      if (isWithin(text, end)) end -= 1;
      this.#add(part, kind, text.slice(begin, end));
    }
  }

  #takeBack(part, place) {
    this.#lengths.set(part, place);
    this.#editions.set(part, this.#edition(part) + 1);
  }

  /** Give a part a value, instead of the value before. */
  put(part, kind, value) {
    // As it is now: the application may change it later.
    this.#pieces.push({ part, kind, value: JSON.parse(encode(value)) });
  }

  /** Take the next operations, which are then under way. */
  take() {
    let size = 0;
    let end = this.#taken;
    for (; end < this.#pieces.length; end += 1) {
      size += (this.#pieces[end].text?.length ?? 0) + 1;
      if (end > this.#taken && size > BATCH) break;
    }
    this.#flying = end - this.#taken;
    this.#flown = Math.max(this.#flown, end);
    return this.#pieces.slice(this.#taken, end).map((piece) => ({ ...piece }));
  }

  /** The daemon has what was under way. */
  taken() {
    for (let left = this.#flying; left > 0; left -= 1) {
      this.waiting -= this.#pieces[this.#taken].text?.length ?? 0;
      this.#taken += 1;
    }
    this.#flying = 0;
  }

  /**
   * The fields of the end that say how much was written. A daemon that has lost text in a restart
   * does not end the stream then.
   */
  get whole() {
    const whole = { length: Object.fromEntries(this.#lengths) };
    return this.#editions.size ? { ...whole, edition: Object.fromEntries(this.#editions) } : whole;
  }

  /**
   * Begin again where the daemon's text ends.
   *
   * @param {{ length?: Record<string, number>, edition?: Record<string, number> }} held  What it has.
   */
  rewind({ length = {}, edition = {} }) {
    this.#flying = 0;
    const lacks = (piece) => {
      // A value does no harm twice.
      if (piece.text === undefined) return true;
      const [own, theirs] = [piece.edition ?? 0, edition[piece.part] ?? 0];
      if (own !== theirs) return own > theirs;
      return piece.at + piece.text.length > (length[piece.part] ?? 0);
    };
    const first = this.#pieces.findIndex(lacks);
    this.#taken = first < 0 ? this.#pieces.length : first;
    const piece = this.#pieces[first];
    if (piece && (piece.edition ?? 0) === (edition[piece.part] ?? 0)) {
      this.#cut(first, length[piece.part] ?? 0);
    }
    this.waiting = 0;
    for (const { text = "" } of this.#pieces.slice(this.#taken)) this.waiting += text.length;
  }

  /** Divide a piece of which the daemon has the beginning. */
  #cut(place, held) {
    const { at, text, ...named } = this.#pieces[place];
    const count = held - at;
    if (text === undefined || count <= 0 || isWithin(text, count)) return;
    const begin = { ...named, at, text: text.slice(0, count) };
    this.#pieces.splice(place, 1, begin, { ...named, at: held, text: text.slice(count) });
    this.#taken += 1;
    this.#flown += 1;
  }

  #edition(part) {
    return this.#editions.get(part) ?? 0;
  }

  #add(part, kind, text) {
    const at = this.#lengths.get(part) ?? 0;
    const edition = this.#edition(part);
    this.#lengths.set(part, at + text.length);
    this.waiting += text.length;
    // A piece that went out stays as it is: if it goes out again, it must be the same.
    const last = this.#flown < this.#pieces.length ? this.#pieces.at(-1) : undefined;
    if (
      last?.text !== undefined &&
      last.part === part &&
      last.kind === kind &&
      (last.edition ?? 0) === edition &&
      last.text.length + text.length <= LONGEST
    ) {
      last.text += text;
    } else {
      this.#pieces.push({ part, kind, at, text, ...(edition ? { edition } : {}) });
    }
  }

  #checkPlace(part, place) {
    const length = this.#lengths.get(part) ?? 0;
    if (!Number.isInteger(place) || place < 0 || place > length) {
      throw new RangeError(`reset is a place in the part ${part}, which is ${length} long.`);
    }
    // The newest text of a place is what the part has there.
    const holds = ({ part: name, at, text }) =>
      name === part && text !== undefined && at <= place && place <= at + text.length;
    const newest = this.#pieces.filter(holds).at(-1);
    if (newest && isWithin(newest.text, place - newest.at)) {
      throw new RangeError("reset is within a character; take it back as a whole.");
    }
  }
}

/** Whether a place in a text is between the halves of a surrogate pair. */
function isWithin(text, place) {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(place - 1, place + 1));
}
