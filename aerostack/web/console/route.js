/**
 * What the address says: which view, and of what.
 */

export const VIEWS = ["overview", "connections", "topics", "inspector", "why"];

const KEY = "#key=";

/** The key in an address's fragment, `#key=…`, if one is there; null otherwise. */
export function keyIn(hash) {
  if (!hash.startsWith(KEY)) return null;
  const text = hash.slice(KEY.length);
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody has pasted it as it is.
    return text;
  }
}

/** A fragment, taken apart: `#topics?topic=chat%2Fx`. */
export function parse(hash) {
  const [name, query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  return {
    view: VIEWS.includes(name) ? name : VIEWS[0],
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The fragment for a view; what is not known is left out. */
export function to(view, query = {}) {
  const known = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(known).toString();
  return text ? `#${view}?${text}` : `#${view}`;
}
