/**
 * The fragment of the address: which view is open, and with which query.
 */

export const VIEWS = ["overview", "connections", "topics", "streams", "refusals", "inspector", "why"];

const KEY = "#key=";

/** The key in a fragment, `#key=…`; `null` if there is none. */
export function keyIn(hash) {
  if (!hash.startsWith(KEY)) return null;
  const text = hash.slice(KEY.length);
  try {
    return decodeURIComponent(text);
  } catch {
    // The user has pasted a key that is not encoded.
    return text;
  }
}

/** Read a fragment, such as `#topics?topic=chat%2Fx`. */
export function parse(hash) {
  const [name, query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  return {
    view: VIEWS.includes(name) ? name : VIEWS[0],
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The fragment for a view. Empty parameters are left out. */
export function to(view, query = {}) {
  const known = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(known).toString();
  return text ? `#${view}?${text}` : `#${view}`;
}
