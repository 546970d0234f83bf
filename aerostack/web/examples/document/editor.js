/**
 * Paragraphs to write in, with the cursors of other users. It does not use the network.
 */

import { make } from "/shared/dom.js";
import { setHue } from "../shared.js";

const POINTING = 100;

export class Editor {
  #root;
  #does;
  #boxes = new Map();
  #shown = [];
  #cursors = [];
  #pointed = "";
  #timer;

  /**
   * @param root The element to fill.
   * @param does The functions to call: `edit(id, place, text)` when the user types (without a text the
   *   paragraph is deleted), and `point(id, start, end)` when the cursor moves.
   */
  constructor(root, does) {
    this.#root = root;
    this.#does = does;
    for (const event of ["focusin", "focusout", "input", "keyup", "pointerup", "select"]) {
      root.addEventListener(event, () => this.#pointSoon());
    }
    this.#pointSoon();
  }

  /** Show paragraphs, each with an `id`, a `place` and a `text`, in their order. */
  draw(paragraphs) {
    this.#shown = paragraphs;
    const wanted = new Set(paragraphs.map(({ id }) => id));
    for (const [id, box] of this.#boxes) {
      if (wanted.has(id)) continue;
      box.remove();
      this.#boxes.delete(id);
    }
    paragraphs.forEach(({ id, text }, index) => {
      if (!this.#boxes.has(id)) this.#boxes.set(id, this.#make(id));
      const box = this.#boxes.get(id);
      if (this.#root.children[index] !== box) {
        this.#root.insertBefore(box, this.#root.children[index] ?? null);
      }
      write(box.querySelector("textarea"), text);
      box.querySelector("textarea").ariaLabel = `Paragraph ${index + 1}`;
      this.#drawLayers(id, text);
    });
  }

  /** Show the cursors of other users: each has a `name`, a `hue`, a `paragraph`, a `start`, an `end`. */
  showCursors(cursors) {
    this.#cursors = cursors;
    for (const { id, text } of this.#shown) this.#drawLayers(id, text);
  }

  #make(id) {
    const area = make("textarea", { rows: 1 });
    area.oninput = () => this.#does.edit(id, this.#placeOf(id), area.value);
    area.onkeydown = (event) => this.#key(event, id, area);
    return make("div", { class: "paragraph", "data-key": id }, area);
  }

  /**
   * Under the text is a layer that is as tall as the text, and one layer for each cursor: the same
   * text, invisible, with the selection in it.
   */
  #drawLayers(id, text) {
    const layers = this.#cursors
      .filter(({ paragraph }) => paragraph === id)
      .map(({ name, hue, start, end }) => {
        const layer = make("div", { class: "layer", "aria-hidden": "true" });
        const selected = make("mark", {}, text.slice(start, end));
        const caret = make("i", { "data-name": String(name) });
        layer.append(text.slice(0, start), selected, caret, text.slice(end));
        return setHue(layer, hue);
      });
    const box = this.#boxes.get(id);
    for (const layer of box.querySelectorAll(".layer")) layer.remove();
    const sizer = make("div", { class: "layer", "aria-hidden": "true" }, `${text}\n`);
    box.prepend(sizer, ...layers);
  }

  #placeOf(id) {
    return this.#shown.find((one) => one.id === id).place;
  }

  #key(event, id, area) {
    const index = this.#shown.findIndex((one) => one.id === id);
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      this.#split(index, area);
    } else if (event.key === "Backspace" && area.value === "" && this.#shown.length > 1) {
      event.preventDefault();
      const neighbour = this.#shown[index - 1] ?? this.#shown[1];
      this.#does.edit(id, this.#placeOf(id), null);
      this.#boxes.get(neighbour.id).querySelector("textarea").focus();
    }
  }

  /** The text after the cursor becomes a new paragraph. */
  #split(index, area) {
    const [{ id, place }, next] = [this.#shown[index], this.#shown[index + 1]];
    const made = crypto.randomUUID();
    const between = next ? (place + next.place) / 2 : place + 1;
    this.#does.edit(made, between, area.value.slice(area.selectionEnd));
    this.#does.edit(id, place, area.value.slice(0, area.selectionStart));
    const box = this.#boxes.get(made).querySelector("textarea");
    box.focus();
    box.setSelectionRange(0, 0);
  }

  #pointSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const area = document.activeElement?.closest(".paragraph textarea");
      const where = area
        ? [area.closest(".paragraph").dataset.key, area.selectionStart, area.selectionEnd]
        : [null, 0, 0];
      if (this.#pointed === where.join()) return;
      this.#pointed = where.join();
      this.#does.point(...where);
    }, POINTING);
  }
}

/** Replace a text that the user may be editing: the cursor keeps its place in the text. */
function write(area, text) {
  const before = area.value;
  if (before === text) return;
  let same = 0;
  while (same < before.length && before[same] === text[same]) same += 1;
  const move = (cursor) => (cursor <= same ? cursor : Math.max(same, cursor + text.length - before.length));
  const [start, end] = [move(area.selectionStart), move(area.selectionEnd)];
  area.value = text;
  if (document.activeElement === area) area.setSelectionRange(start, end);
}
