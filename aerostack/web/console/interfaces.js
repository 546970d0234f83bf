/**
 * What the parts of the console need of each other. These are types only: no code imports this file
 * when it runs.
 */

/**
 * A view: a section of the page, of which one is open at a time.
 *
 * @typedef {object} View
 * @property {(query: any, api: import("./api.js").Api) => void} show  The view was
 *   opened, or its part of the address has changed. `query` is that part, an object of texts.
 * @property {() => void} hide  Another view was opened.
 * @property {number} [every]  Milliseconds between two refreshes at least.
 * @property {(api: import("./api.js").Api, signal: AbortSignal, now: number) => Promise<void>} [refresh]
 *   Fetch what the view shows. `now` is the daemon's clock, in milliseconds. A view without it shows
 *   what it gets in other ways.
 */

/**
 * What a table shows in a cell: a text, or a text with a link, a tone or a title; or a button with
 * a text for the eyes, a title for screen readers, and what it does.
 *
 * @typedef {null | string | number
 *   | { text: any, href?: string, tone?: string, title?: string, press?: () => void }} Cell
 */

/**
 * A column of a table.
 *
 * @typedef {object} Column
 * @property {string} label
 * @property {(item: any) => Cell} cell
 * @property {boolean} [number]  Whether the cells are numbers, which stand to the right.
 * @property {boolean} [wraps]  Whether a long text goes on in a second line. Other texts are cut off,
 *   and have a title with the whole text.
 * @property {((item: any) => number | string | null | undefined) | null} [sort]  The value by which
 *   the column sorts an item, if the text of its cell does not do: a number that the cell writes with
 *   a unit. `null` for a column that does not sort, such as one of buttons.
 */

/**
 * A line of a chart.
 *
 * @typedef {object} Series
 * @property {string} label
 * @property {string} path  Where the value is in a sample, such as `publish.p99`.
 * @property {number} colour  The number of a `--series-…` colour.
 * @property {boolean} [dashed]
 */

export {};
