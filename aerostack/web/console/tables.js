/**
 * Tables that change only the cells whose content has changed.
 */

import { keepFocus, make, setAttribute, setText } from "../shared/dom.js";

/** The content of a cell, as one text for comparison. */
function signature(cell) {
  return cell === null || typeof cell !== "object"
    ? `${cell}`
    : [cell.href, cell.tone, cell.title, Boolean(cell.press), cell.text].join("\n");
}

function write(element, cell) {
  const { text, href, tone, title, press } =
    cell === null || typeof cell !== "object" ? { text: cell } : cell;
  if (press) {
    const button = make("button", { type: "button", class: "quiet", "aria-label": title }, text);
    button.addEventListener("click", press);
    keepFocus(element, button, () => element.replaceChildren(button));
    return;
  }
  if (title) element.title = title;
  if (!href && !tone) {
    setText(element, `${text ?? ""}`);
    return;
  }
  const content = href
    ? make("a", { href }, text)
    : make("span", { class: "badge", "data-tone": tone }, text);
  keepFocus(element, content, () => element.replaceChildren(content));
}

/**
 * A table. The first column names the row.
 *
 * Every role is written down, because on small screens the layout makes each row a block, and
 * browsers would then drop the roles.
 */
export class Table {
  element;
  #columns;
  #key;
  #body;
  #empty;
  #caption;
  #table;
  #rows = new Map();

  /**
   * @param {object} options
   * @param {string} options.caption
   * @param {import("./interfaces.js").Column[]} options.columns
   * @param {(item: any) => any} options.key  What tells rows apart.
   * @param {string} options.empty  The text instead of a table without rows.
   * @param {boolean} [options.hideCaption]  Whether only screen readers get the caption.
   */
  constructor({ caption, columns, key, empty, hideCaption = false }) {
    this.#columns = columns;
    this.#key = key;
    this.#caption = make("caption", hideCaption ? { class: "unseen" } : {}, caption);
    const heads = columns.map(({ label, number }) =>
      make("th", { scope: "col", role: "columnheader", class: number ? "number" : null }, label),
    );
    this.#body = make("tbody", { role: "rowgroup" });
    this.#table = make(
      "table",
      { role: "table", tabindex: "-1" },
      this.#caption,
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
      this.#body,
    );
    this.#empty = make("p", { class: "note" }, empty);
    this.element = make("div", { class: "table" }, this.#table, this.#empty);
    this.update([]);
  }

  get size() {
    return this.#rows.size;
  }

  set caption(text) {
    setText(this.#caption, text);
  }

  /** Show these rows, in this order. */
  update(items) {
    const keys = new Set(items.map(this.#key));
    keepFocus(this.#body, this.#table, () => {
      for (const [key, row] of this.#rows) {
        if (keys.has(key)) continue;
        row.element.remove();
        this.#rows.delete(key);
      }
    });
    let next = this.#body.firstChild;
    for (const item of items) {
      const element = this.#row(this.#key(item), item);
      if (element === next) next = next.nextSibling;
      else this.#body.insertBefore(element, next);
    }
    setAttribute(this.#empty, "hidden", items.length ? "" : null);
    setAttribute(this.#table, "hidden", items.length ? null : "");
  }

  #row(key, item) {
    let row = this.#rows.get(key);
    if (!row) {
      row = { element: make("tr", { role: "row" }), said: [] };
      this.#columns.forEach(({ label, number }, index) => {
        const attributes = { "data-label": label, class: number ? "number" : null };
        row.element.append(
          index
            ? make("td", { role: "cell", ...attributes })
            : make("th", { role: "rowheader", scope: "row", ...attributes }),
        );
      });
      this.#rows.set(key, row);
    }
    this.#columns.forEach(({ cell }, index) => {
      const content = cell(item);
      const said = signature(content);
      if (row.said[index] === said) return;
      row.said[index] = said;
      write(row.element.children[index], content);
    });
    return row.element;
  }
}
