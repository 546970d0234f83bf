/**
 * The order of a table's rows by one of its columns.
 */

const WORDS = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/**
 * The value of an item by which a column sorts it: a number or a text, or `null` for nothing.
 *
 * @param {import("./interfaces.js").Column} column
 * @param {any} item
 */
function valueOf({ sort, cell }, item) {
  if (sort) return sort(item) ?? null;
  const content = cell(item);
  const text = content !== null && typeof content === "object" ? content.text : content;
  return text === null || text === undefined || text === "" ? null : text;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return WORDS.compare(String(one), String(other));
}

/**
 * The items in the order of a column. Items that are equal there keep their order, and those without
 * a value come last.
 *
 * @param {any[]} items
 * @param {{ column: import("./interfaces.js").Column, descending: boolean }} by
 */
export function ordered(items, { column, descending }) {
  const valued = items.map((item) => ({ item, value: valueOf(column, item) }));
  const sign = descending ? -1 : 1;
  valued.sort((one, other) => {
    if (one.value === null || other.value === null) {
      return Number(one.value === null) - Number(other.value === null);
    }
    return sign * compare(one.value, other.value);
  });
  return valued.map(({ item }) => item);
}
