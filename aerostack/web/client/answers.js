/**
 * The answers of a topic: streams that grow, folded from their frames.
 */

// So many answers that have ended stay, so that a page that is open for days does not grow.
const MOST_ENDED = 32;
// The pause between two changes where no picture is drawn, in milliseconds.
const PAUSE = 50;

const KINDS = { "ai:token": "text", "ai:reasoning": "reasoning", "ai:tool": "tool", "ai:data": "data" };

/** Call a function before the next picture is drawn; where none is drawn, after a pause. */
function onPicture(call) {
  const { requestAnimationFrame, document } = globalThis;
  // A page in the background draws no pictures.
  if (requestAnimationFrame && !document?.hidden) requestAnimationFrame(call);
  else setTimeout(call, PAUSE);
}

/** The fields of an event's data; a publisher may send any value. */
const fieldsOf = (data) => (data !== null && typeof data === "object" ? data : {});

/** One answer, while its frames come. */
class Answer {
  #cancel;
  #fields;
  #parts = new Map();
  #view = null;

  constructor(id, topic, cancel) {
    this.#cancel = () => cancel(id);
    this.#fields = { id, topic, owner: null, meta: {}, state: "streaming" };
  }

  get isStreaming() {
    return this.#fields.state === "streaming";
  }

  /** Whether it has ended, and the client does not know how. */
  get isUnknown() {
    return this.#fields.state === "unknown";
  }

  /** What the application gets. It stays the same object until the answer changes. */
  get view() {
    if (this.#view === null) {
      const parts = [...this.#parts.values()].map((part) => Object.freeze({ ...part }));
      const text = parts.map(({ kind, text }) => (kind === "text" ? text : "")).join("");
      const cancel = this.#cancel;
      this.#view = Object.freeze({ ...this.#fields, text, parts: Object.freeze(parts), cancel });
    }
    return this.#view;
  }

  /** The first frame of the answer came. The daemon sends it again to a client that joins late. */
  start({ owner = null, meta = {} }) {
    this.goOn();
    Object.assign(this.#fields, { owner, meta });
  }

  /** A frame of the answer came. If the client thought that the answer had ended, it goes on. */
  goOn() {
    this.#view = null;
    if (this.isUnknown) this.#fields.state = "streaming";
  }

  /** Take a frame of a part; return whether the frames before it are here. */
  grow(frame) {
    const { event, part: id = "0", at = 0, reset } = frame;
    const { token, args, ...more } = fieldsOf(frame.data);
    const part = this.#parts.get(id) ?? { id, kind: KINDS[event], text: "" };
    const added = event === "ai:tool" ? args : token;
    if (typeof added === "string") {
      if (at > part.text.length) return false;
      // `reset` takes the rest back. Without it a frame may begin with text that is here.
      if (reset) part.text = part.text.slice(0, at) + added;
      else part.text += added.slice(part.text.length - at);
    }
    Object.assign(part, more);
    this.#parts.set(id, part);
    this.#view = null;
    return true;
  }

  /**
   * What a frame of a part brings that has not come before: the frame with the rest of its text, or
   * `null` if all of it has come.
   */
  fresh(frame) {
    const { event, part: id = "0", at, reset, data } = frame;
    const length = this.#parts.get(id)?.text.length ?? 0;
    const name = event === "ai:tool" ? "args" : "token";
    const text = fieldsOf(data)[name];
    if (reset || typeof text !== "string" || !(at < length)) return frame;
    const rest = text.slice(length - at);
    return rest === "" ? null : { ...frame, at: length, data: { ...data, [name]: rest } };
  }

  /** The answer has ended. The message that the history keeps has the whole text. */
  end({ id, text, parts, ...more }, state) {
    this.#view = null;
    Object.assign(this.#fields, more, { state: state ?? more.state });
    if (typeof text !== "string") return;
    // A server may end its stream by an event, whose values the daemon does not check.
    const whole = Array.isArray(parts) ? parts.map(fieldsOf) : [{ part: "0", kind: "text", text }];
    this.#parts = new Map(
      whole.map(({ part: id, args = "", ...more }) => [id, { id, text: args, ...more }]),
    );
  }
}

/** Folds the frames of a topic's streams. */
export class Answers {
  #topic;
  #owner;
  /** @type {Map<string, Answer>} */
  #answers = new Map();
  // The ids of the answers that have ended, in the order in which they ended.
  #ended = new Set();
  // Answers that streamed when the subscription broke off, and that the daemon has not begun again.
  #doubtful = new Set();
  #list = null;
  #isDue = false;

  /**
   * @param {string} topic
   * @param {object} owner
   * @param {() => void} owner.changed  The answers have changed; at most once a picture.
   * @param {() => void} owner.again  Something is missing: subscribe anew.
   * @param {(stream: string) => Promise<void>} owner.cancel
   * @param {(stream: string) => Promise<any>} owner.read  Read a stream that has ended.
   */
  constructor(topic, owner) {
    this.#topic = topic;
    this.#owner = owner;
  }

  /** The answers, oldest first, as an array that stays the same object until one changes. */
  get list() {
    return (this.#list ??= Object.freeze([...this.#answers.values()].map(({ view }) => view)));
  }

  /**
   * The subscription begins, or begins again.
   *
   * @param {boolean} recovered  Whether everything follows that this client missed.
   */
  subscribed(recovered) {
    this.#doubtful.clear();
    if (recovered) return;
    for (const [id, { isStreaming }] of this.#answers) if (isStreaming) this.#doubtful.add(id);
  }

  /** A position came: the daemon has sent all that it sends to a client that joins. */
  settled() {
    const doubtful = [...this.#doubtful];
    this.#doubtful.clear();
    for (const id of doubtful) {
      this.#end(id, { state: "unknown" });
      this.#read(id);
    }
  }

  /** Find out how an answer has ended: the history may have it. */
  async #read(id) {
    let found;
    try {
      found = await this.#owner.read(id);
    } catch {
      // The answer was not kept, or the daemon does not reply now: the end stays unknown.
      return;
    }
    const { stream, topic, epoch, ...fields } = fieldsOf(found);
    // Frames that came meanwhile may have shown that the answer goes on.
    if (this.#answers.get(id)?.isUnknown && fields.state !== "streaming") this.#end(id, fields);
  }

  /**
   * Take an event of a stream.
   *
   * @returns  A frame with the text that has not come before; `null` if all of it has. After a broken
   *   connection the daemon may send text a second time.
   */
  received(frame) {
    const fresh = this.#answers.get(frame.stream)?.fresh(frame);
    this.#take(frame);
    return fresh === undefined ? frame : fresh;
  }

  #take(frame) {
    const { stream: id, event, data, state } = frame;
    this.#doubtful.delete(id);
    if (event === "ai:done") {
      this.#end(id, fieldsOf(data), state);
    } else if (event === "ai:start") {
      this.#open(id).start(fieldsOf(data));
      this.#change();
    } else if (KINDS[event] !== undefined) {
      const answer = this.#open(id);
      answer.goOn();
      // A frame after the end was under way when the stream ended.
      if (!answer.isStreaming) return;
      if (answer.grow(frame)) this.#change();
      else this.#owner.again();
    }
  }

  #open(id) {
    let answer = this.#answers.get(id);
    if (answer === undefined) {
      answer = new Answer(id, this.#topic, (stream) => this.#owner.cancel(stream));
      this.#answers.set(id, answer);
    }
    return answer;
  }

  #end(id, data, state) {
    this.#open(id).end(data, state);
    this.#ended.delete(id);
    this.#ended.add(id);
    if (this.#ended.size > MOST_ENDED) this.#forget(this.#ended.values().next().value);
    this.#change();
  }

  /** Forget an answer, unless it goes on. */
  #forget(id) {
    this.#ended.delete(id);
    if (!this.#answers.get(id).isStreaming) this.#answers.delete(id);
  }

  #change() {
    this.#list = null;
    if (this.#isDue) return;
    this.#isDue = true;
    onPicture(() => {
      this.#isDue = false;
      this.#owner.changed();
    });
  }
}
