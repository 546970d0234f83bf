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

  #present(shown, { total, more }) {
    const all = plural(total, this.#noun);
    const part = more ? `The first ${shown} of ${all}.` : `${all}.`;
    const full = more && this.#want >= MOST;
    setText(this.#count, full ? `${part} Filter to see others.` : part);
    this.#button.hidden = !more || full;
  }
}
