/**
 * Long lists, of which the console fetches a part.
 */

import { setText } from "../shared/dom.js";
import { plural } from "./format.js";

// How many rows a list has at first, how many the button adds, and how many it has at most.
const FIRST = 100;
const STEP = 500;
const MOST = 2000;
// How many rows the daemon gives in one answer.
const LARGEST = 500;

/**
 * How many rows are shown of how many, in words.
 *
 * @param {number} shown  How many rows are shown, from the first on.
 * @param {{ total: number, more: boolean, atLeast?: boolean, missing?: string[] }} page  The last
 *   page.
 * @param {string} noun  What a row is.
 * @param {boolean} full  Whether no more rows can be shown.
 */
export function described(shown, { total, more, atLeast = false, missing = [] }, noun, full) {
  const most = `${atLeast ? "at least " : ""}${plural(total, noun)}`;
  // Where the list is whole, its rows are counted.
  const parts = [more ? `The first ${shown} of ${most}.` : `${plural(atLeast ? shown : total, noun)}.`];
  if (full) parts.push("Filter to see others.");
  if (missing.length) parts.push(`Without those of ${missing.join(", ")}, which did not answer.`);
  return parts.join(" ");
}

/** A list with a button for more rows. */
export class Pages {
  #want = FIRST;
  #button;
  #count;
  #noun;

  /**
   * @param {object} options
   * @param {HTMLButtonElement} options.button
   * @param {Element} options.count  Shows how many rows there are.
   * @param {string} options.noun  What a row is.
   * @param {() => void} options.wished  Called when the user asks for more rows.
   */
  constructor({ button, count, noun, wished }) {
    this.#button = button;
    this.#count = count;
    this.#noun = noun;
    button.addEventListener("click", () => {
      this.#want = Math.min(this.#want + STEP, MOST);
      wished();
    });
  }

  /** Go back to the first rows. */
  reset() {
    this.#want = FIRST;
  }

  /**
   * Fetch the rows.
   *
   * @param {(page: { limit: number, after: any }) => Promise<any>} ask  Asks for a page.
   * @param {string} name  The field of a page that has the rows.
   * @param {(row: any) => any} key  Gives the key of a row, after which the next page begins.
   */
  async fetch(ask, name, key) {
    const rows = [];
    let page;
    do {
      const limit = Math.min(this.#want - rows.length, LARGEST);
      page = await ask({ limit, after: rows.length ? key(rows.at(-1)) : null });
      rows.push(...page[name]);
    } while (page.more && page[name].length && rows.length < this.#want);
    this.#present(rows.length, page);
    return rows;
  }

  #present(shown, page) {
    const full = page.more && this.#want >= MOST;
    setText(this.#count, described(shown, page, this.#noun, full));
    this.#button.hidden = !page.more || full;
  }
}
