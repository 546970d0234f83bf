/**
 * Elements of a page, for the daemon's page, the console and the examples.
 *
 * Text that comes from the daemon becomes a text node, never markup.
 */

/** The address of the daemon, without a slash at its end. A proxy may have put it under a path. */
export const daemon = new URL("..", import.meta.url).href.replace(/\/$/, "");

/**
 * An element of the page, by its id.
 *
 * @param {string} id
 * @returns {any}  The caller knows which kind of element it is.
 */
export const at = (id) => document.getElementById(id);

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {Record<string, any>} attributes  A function becomes a handler, such as `onclick`. `null`,
 *   `undefined` and `false` leave an attribute out; `true` sets it without a value.
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children);
  return element;
}

/**
 * Change an element's text only if it is another text. Otherwise a selection would be lost, and a
 * screen reader would read the same text again.
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Change an element's text as `setText` does, with links to the documents that it names. */
export function setLinked(element, text) {
  if (element.textContent !== `${text}`) element.replaceChildren(linked(`${text}`));
}

/** Change an attribute only if it has another value; `null` removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Run `change`. The focused element keeps the focus, also if it has moved. If it was in `area` and
 * is gone, focus `fallback`.
 */
export function keepFocus(area, fallback, change) {
  const focused = /** @type {HTMLElement} */ (document.activeElement);
  const within = area.contains(focused);
  change();
  if (!within || area.contains(document.activeElement)) return;
  if (area.contains(focused)) focused.focus({ preventScroll: true });
  else fallback.focus();
}

/**
 * Show items as the children of an element. A child that looks the same as before stays, and keeps
 * the focus.
 *
 * @param {Element} parent
 * @param {any[]} items
 * @param {(item: any) => HTMLElement} makeItem  Its element has a `data-key`, which no other has.
 */
export function showList(parent, items, makeItem) {
  const keyOf = (child) => child.dataset.key;
  const before = new Map([...parent.children].map((child) => [keyOf(child), child]));
  const after = items.map((item) => {
    const made = makeItem(item);
    const old = before.get(keyOf(made));
    return old?.isEqualNode(made) ? old : made;
  });
  const focused = parent.contains(document.activeElement)
    ? document.activeElement.closest("[data-key]")
    : null;
  const staying = new Set(after);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  after.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  if (focused && !focused.isConnected) {
    const heir = after.find((child) => keyOf(child) === keyOf(focused)) ?? after[0];
    heir?.querySelector("button")?.focus();
  }
}

/**
 * Show facts in a `<dl>`.
 *
 * @param {Element} list
 * @param {any[][]} facts  A term, a text and perhaps a tone each. A tone of `problem`, `notice` or
 *   `fine` adds a colour; the text says the same.
 */
export function setFacts(list, facts) {
  while (list.children.length > facts.length) list.lastElementChild.remove();
  facts.forEach(([term, text, tone = null], index) => {
    let entry = list.children[index];
    if (!entry) {
      entry = make("div", {}, make("dt"), make("dd"));
      list.append(entry);
    }
    const [name, value] = entry.children;
    setText(name, term);
    setLinked(value, text);
    setAttribute(value, "data-tone", tone);
  });
}

/** The trimmed texts of a form's fields, by name. */
export function fieldsOf(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
}

/** Write texts into a form's fields, except into the field that the user is in. */
export function fill(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements[name];
    if (field !== document.activeElement) field.value = value ?? "";
  }
}

/** Let a button copy a text, and say for a moment whether it did. */
export function copyOnClick(button, textOf) {
  button.onclick = async () => {
    button.textContent = (await copy(textOf(), button)) ? "Copied" : "Not copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
}

/** Copy a text; give whether that worked. */
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard for pages over HTTP from another machine, and the user may forbid it.
  }
  const field = make("textarea", { class: "unseen" });
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  button.focus();
  return copied;
}

/**
 * A text whose names of documents, such as `docs/database.rst`, are links to the documents.
 *
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function linked(text) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const found of text.matchAll(/docs\/([a-z]+)\.rst/g)) {
    fragment.append(text.slice(end, found.index));
    fragment.append(make("a", { href: `${daemon}/docs/${found[1]}.html` }, found[0]));
    end = found.index + found[0].length;
  }
  fragment.append(text.slice(end));
  return fragment;
}
