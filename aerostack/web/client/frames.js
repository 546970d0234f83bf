/**
 * The daemon's frames: reads them, and checks the fields that the client uses.
 */

/** @type {(value: any) => boolean} */
const isText = (value) => typeof value === "string";
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isMember = (value) => isObject(value) && isText(value.connectionId);

function isPresence({ event, data }) {
  if (event === "presence:sync") return Array.isArray(data?.members) && data.members.every(isMember);
  return isMember(data);
}

/** @type {(frame: any) => boolean} */
const anything = () => true;
/** @type {(frame: any) => boolean} */
const ofTopic = ({ topic }) => isText(topic);

/**
 * The check of each type of frame. A type that is not here comes from a newer daemon.
 *
 * @type {Map<string, (frame: any) => boolean>}
 */
const SHAPES = new Map([
  ["subscribed", ofTopic],
  ["unsubscribed", ofTopic],
  ["synced", ofTopic],
  ["ack", anything],
  ["stream_ack", anything],
  ["pong", anything],
  ["reconnect", anything],
  ["commit", ofTopic],
  ["status", ofTopic],
  ["error", ({ code }) => isText(code)],
  ["db_change", (it) => ofTopic(it) && isText(it.operation) && isObject(it.data)],
  ["snapshot", (it) => ofTopic(it) && Array.isArray(it.rows) && it.rows.every(isObject)],
  ["chat_message", (it) => ofTopic(it) && isText(it.event)],
  [
    "event",
    (it) =>
      ofTopic(it) && isText(it.event) && (!it.event.startsWith("presence:") || isPresence(it)),
  ],
]);

/**
 * Read a message of the daemon.
 *
 * @param {any} text
 * @returns {{ frame?: any, fault?: string, topic?: string, pos?: string, view?: string }} The
 *   `frame`, which is `null` if its type is not known here. Or the `fault`, with the frame's `topic`,
 *   `pos` and `view` if they can be read.
 */
export function readFrame(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch (cause) {
    // The daemon writes the topic before the data of applications.
    const topic = isText(text) && /^\{"type":"\w+","topic":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
    return { fault: cause.message, topic: topic || undefined };
  }
  if (!isObject(frame) || !isText(frame.type)) return { fault: "it has no type" };
  const isGood = SHAPES.get(frame.type);
  if (isGood === undefined) return { frame: null };
  if (isGood(frame)) return { frame };
  const { type, topic, pos, view } = frame;
  return {
    fault: `this is no ${type}`,
    topic: isText(topic) ? topic : undefined,
    pos: isText(pos) ? pos : undefined,
    view: isText(view) ? view : undefined,
  };
}
