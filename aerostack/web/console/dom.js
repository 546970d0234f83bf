/**
 * Elements.  Whatever comes from the daemon becomes text, never markup.
 */

/**
 * An element of the page; of which kind it is knows who asks.
 *
 * @returns {any}
 */
export const at = (id) => document.getElementById(id);

/** An element with attributes (those that are null are left out) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Change a text, if it is another: what is selected or read aloud stays alone otherwise. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Change an attribute, if it is another; null takes it away. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Run something, and give the focus to an element if what had it went away meanwhile. */
export function keepFocus(area, fallback, change) {
  const focused = document.activeElement;
  const within = area.contains(focused);
  change();
  if (within && !area.contains(document.activeElement)) fallback.focus();
}

/**
 * Terms and what they are, in a `<dl>`: `[term, text, tone]`.  A tone of `problem`, `notice`
 * or `fine` colours what the words say already.
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
    setText(value, text);
    setAttribute(value, "data-tone", tone);
  });
}

/** The texts of a form's fields, by name. */
export function fieldsOf(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
}

/** Write texts into a form's fields, but not over what somebody is typing. */
export function fill(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements[name];
    if (field !== document.activeElement) field.value = value ?? "";
  }
}
