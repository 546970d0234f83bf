/**
 * A document that many users write at the same time, with Yjs and CodeMirror.
 */

import { at } from "../../shared/dom.js";
import { complain, connect, me, parameter, showPeople } from "../shared.js";

const name = parameter("doc", "welcome");
const realtime = connect();
realtime.connect();
at("name").textContent = `doc/${name}`;
at("new").href = `?doc=${crypto.randomUUID().slice(0, 8)}`;

/** Load the packages from npm, or say how to get them. */
async function load() {
  try {
    return await import("./bundle.js");
  } catch {
    at("save").textContent = "";
    at("missing").hidden = false;
    return null;
  }
}

function open({ Awareness, Y, YjsProvider, ...parts }) {
  // [provider]
  const doc = new Y.Doc();
  const awareness = new Awareness(doc);
  awareness.setLocalStateField("user", {
    name: me.name,
    hue: me.hue,
    color: `hsl(${me.hue} 70% 45%)`,
    colorLight: `hsl(${me.hue} 80% 60% / .35)`,
  });
  const provider = new YjsProvider(realtime, `doc/${name}`, doc, { awareness });
  // [/provider]

  // [state]
  provider.onChange(({ isLoaded, isSaved, error }) => {
    if (isLoaded && at("document").hidden) show(doc.getText("text"), awareness, parts);
    at("save").textContent = isSaved ? "Saved" : isLoaded ? "Not saved yet…" : "Loading…";
    if (error && realtime.connected) complain(error.message);
  });
  // [/state]

  // [people]
  awareness.on("change", () => {
    const users = [...awareness.getStates()].filter(([, { user }]) => user);
    const people = users.map(([id, { user }]) => [id, { connectionId: id, since: id, state: user }]);
    showPeople(new Map(people), "viewing");
  });
  // [/people]
  awareness.setLocalStateField("cursor", null);
}

// [editor]
function show(text, awareness, { EditorView, defaultKeymap, keymap, yCollab, yUndoManagerKeymap }) {
  at("document").hidden = false;
  const view = new EditorView({
    parent: at("document"),
    doc: text.toString(),
    extensions: [
      yCollab(text, awareness),
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "Document" }),
    ],
  });
  // A click anywhere on the card begins to write.
  at("card").classList.add("editing");
  at("card").onclick = ({ target }) => at("document").contains(target) || view.focus();
}
// [/editor]

const bundle = await load();
if (bundle !== null) open(bundle);
