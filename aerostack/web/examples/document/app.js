/**
 * A document that many users write at the same time, paragraph by paragraph.
 */

import { at } from "/shared/dom.js";
import { complain, connect, me, parameter, showPeople } from "../shared.js";
import { Editor } from "./editor.js";

const PAUSE = 200;

const name = parameter("doc", "welcome");
const realtime = connect();
const channel = realtime.channel(`doc/${name}`);

// The document: the last edit of each paragraph, by the id of the paragraph.
const paragraphs = new Map();
// Edits of this page, until they come back from the daemon.
const typed = new Map();
const pauses = new Map();
let edits = 0;

// [converge]
/**
 * Take an edit. All pages get the edits of a topic in the same order, and the last edit of a paragraph
 * counts: so all pages have the same document in the end.
 */
function take({ paragraph, place, text, edit }, userId, time) {
  if (userId === me.id && typed.get(paragraph)?.edit === edit) typed.delete(paragraph);
  const known = paragraphs.get(paragraph);
  if (known && known.time >= time) return;
  paragraphs.set(paragraph, { place, text, time });
}
// [/converge]

/** Whether an event is an edit: other clients may have published something else here. */
function isEdit(data) {
  return (
    typeof data?.paragraph === "string" &&
    Number.isFinite(data.place) &&
    (typeof data.text === "string" || data.text === null)
  );
}

// [edit]
channel.on("edit", ({ data, userId, timestamp }) => {
  if (isEdit(data)) take(data, userId, timestamp);
  draw();
});

/** Publish an edit. The daemon keeps it, so that later users get it, too. */
async function publish(paragraph) {
  const edit = typed.get(paragraph);
  try {
    await channel.publish("edit", { paragraph, ...edit }, { persist: true });
  } catch (error) {
    if (typed.get(paragraph) === edit) typed.delete(paragraph);
    complain(`Your edit was not taken: ${error.message}`);
    draw();
  }
}
// [/edit]

// [newcomer]
/** Read all kept edits, page by page. Their order does not matter. */
async function load() {
  try {
    let page;
    let before;
    do {
      page = await channel.getHistory(500, before);
      for (const { event, data, user_id, created_at } of page) {
        if (event === "edit" && isEdit(data)) take(data, user_id, created_at);
        before = created_at;
      }
    } while (page.length);
    at("document").hidden = false;
    draw();
  } catch (error) {
    complain(error.message);
  }
}

channel.onStateChange((state) => {
  if (state === "subscribed" && at("document").hidden) load();
});
channel.onGap(load);
channel.subscribe();
// [/newcomer]

// The page

const editor = new Editor(at("document"), {
  /** The user types: send the text when the user pauses for a moment. */
  edit(paragraph, place, text) {
    typed.set(paragraph, { place, text, edit: ++edits });
    clearTimeout(pauses.get(paragraph));
    pauses.set(paragraph, setTimeout(publish, PAUSE, paragraph));
    draw();
  },

  // [cursor]
  /** The cursor and the selection of a user are presence state. */
  point(paragraph, start, end) {
    channel.track({ name: me.name, hue: me.hue, paragraph, start, end });
  },
  // [/cursor]
});

function draw() {
  const shown = [...new Map([...paragraphs, ...typed])]
    .filter(([, { text }]) => text !== null)
    .map(([id, { place, text }]) => ({ id, place, text }));
  // On every page an empty document begins with the same paragraph.
  if (!shown.length) shown.push({ id: "first", place: 1, text: "" });
  shown.sort((one, other) => one.place - other.place || (one.id < other.id ? -1 : 1));
  editor.draw(shown);
}

// [people]
channel.presence.onChange((members) => {
  showPeople(members, "viewing");
  const others = [...members.values()].filter(({ userId }) => userId !== me.id);
  editor.showCursors(others.map(({ state }) => state));
});
// [/people]

at("name").textContent = `doc/${name}`;
at("new").href = `?doc=${crypto.randomUUID().slice(0, 8)}`;
