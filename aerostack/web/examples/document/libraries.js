/**
 * What the document example needs of npm. `make editor` makes one file of it, `bundle.js`, for browsers.
 */

export { defaultKeymap } from "@codemirror/commands";
export { EditorState } from "@codemirror/state";
export { EditorView, drawSelection, keymap, placeholder } from "@codemirror/view";
export { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
export { Awareness } from "y-protocols/awareness";
export * as Y from "yjs";

export { YjsProvider } from "../../client/yjs.js";
