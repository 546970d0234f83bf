/**
 * Tables that change only the cells whose content has changed, and that the user can sort.
 */

import { keepFocus, linked, make, setAttribute, setText } from "../shared/dom.js";
import { count } from "./format.js";
import { ordered } from "./sorting.js";

// From so many characters on, a text may not fit into its cell, and has itself as a title.
const LONG = 24;

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
  const whole = `${text ?? ""}`;
  setAttribute(element, "title", title ?? (whole.length > LONG ? whole : null));
  if (!href && !tone) {
    element.replaceChildren(linked(whole));
    return;
  }
  const content = href
    ? make("a", { href }, text)
    : make("span", { class: "badge", "data-tone": tone }, text);
  keepFocus(element, content, () => element.replaceChildren(content));
}

/**
 * The key of each item. Items with the same key, such as subscriptions of one connection, get a number.
 *
 * @param {any[]} items
 * @param {(item: any) => any} keyOf
 * @returns {Map<any, any>}
 */
function unique(items, keyOf) {
  const counts = new Map();
  return new Map(
    items.map((item) => {
      const key = keyOf(item);
      const before = counts.get(key) ?? 0;
      counts.set(key, before + 1);
      return [item, before ? JSON.stringify([key, before]) : key];
    }),
  );
}

/**
 * A column of numbers.
 *
 * @param {string} label
 * @param {(item: any) => any} value
 * @param {(value: any) => string} write  Writes a value.
 * @returns {import("./interfaces.js").Column}
 */
export function numbers(label, value, write = count) {
  return { label, number: true, sort: value, cell: (item) => write(value(item)) };
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
  #items = [];
  // The keys of the items.
  #keys = new Map();
  #heads;
  // The column by which the rows are sorted, and whether the largest is first; `null` for the order
  // in which they come.
  #sorted = null;

  /**
   * @param {object} options
   * @param {string} options.caption
   * @param {import("./interfaces.js").Column[]} options.columns
   * @param {(item: any) => any} options.key  What tells rows apart, but for several of one kind.
   * @param {string} options.empty  The text instead of a table without rows.
   * @param {boolean} [options.hideCaption]  Whether only screen readers get the caption.
   */
  constructor({ caption, columns, key, empty, hideCaption = false }) {
    this.#columns = columns;
    this.#key = key;
    this.#caption = make("caption", hideCaption ? { class: "unseen" } : {}, caption);
    this.#heads = columns.map((column) => this.#head(column));
    this.#body = make("tbody", { role: "rowgroup", tabindex: "-1" });
    this.#table = make(
      "table",
      { role: "table" },
      this.#caption,
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...this.#heads)),
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

  /** Show these rows, in this order or in the one that the user has chosen. */
  update(items) {
    this.#items = items;
    this.#keys = unique(items, this.#key);
    this.#show(this.#sorted ? ordered(items, this.#sorted) : items);
  }

  /** The head of a column, with a button that sorts by it. */
  #head(column) {
    const { label, number } = column;
    const head = make("th", { scope: "col", role: "columnheader", class: number ? "number" : null });
    const isAction = column.sort === null;
    head.append(
      isAction
        ? make("span", { class: "unseen" }, label)
        : make("button", { type: "button", class: "sort", onclick: () => this.#sort(column) }, label),
    );
    return head;
  }

  /** Sort by a column; the other way round the second time, and not at all the third time. */
  #sort(column) {
    const first = Boolean(column.number);
    if (this.#sorted?.column !== column) this.#sorted = { column, descending: first };
    else if (this.#sorted.descending === first) this.#sorted = { column, descending: !first };
    else this.#sorted = null;
    this.#columns.forEach((each, index) => {
      const ways = { true: "descending", false: "ascending" };
      const way = this.#sorted?.column === each ? ways[String(this.#sorted.descending)] : null;
      setAttribute(this.#heads[index], "aria-sort", way);
    });
    this.update(this.#items);
  }

  #show(items) {
    const keys = new Set(this.#keys.values());
    keepFocus(this.#body, this.#body, () => {
      for (const [key, row] of this.#rows) {
        if (keys.has(key)) continue;
        row.element.remove();
        this.#rows.delete(key);
      }
      let next = this.#body.firstChild;
      for (const item of items) {
        const element = this.#row(this.#keys.get(item), item);
        if (element === next) next = next.nextSibling;
        else this.#body.insertBefore(element, next);
      }
    });
    setAttribute(this.#empty, "hidden", items.length ? "" : null);
    setAttribute(this.#table, "hidden", items.length ? null : "");
  }

  #row(key, item) {
    let row = this.#rows.get(key);
    if (!row) {
      row = { element: make("tr", { role: "row" }), said: [] };
      this.#columns.forEach(({ label, number, wraps, sort }, index) => {
        const kind = number ? "number" : wraps ? "wraps" : sort === null ? "action" : null;
        const attributes = { "data-label": label, class: kind };
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
