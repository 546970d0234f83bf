/**
 * A question before something that cannot be taken back.
 */

import { make } from "../shared/dom.js";

/**
 * Ask the user. The focus is on the button that cancels: a key that is held down must not agree.
 *
 * @param {string} question
 * @param {string} action  The text of the button that agrees.
 * @returns {Promise<boolean>}  Whether the user agreed.
 */
export function confirmed(question, action) {
  return new Promise((resolve) => {
    const dialog = make("dialog", { class: "panel", "aria-labelledby": "question" });
    const answer = (value) => () => dialog.close(value);
    dialog.append(
      make("p", { id: "question" }, question),
      make(
        "p",
        { class: "row" },
        make("button", { type: "button", onclick: answer("yes") }, action),
        make("button", { type: "button", class: "quiet", autofocus: true, onclick: answer("") }, "Cancel"),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
