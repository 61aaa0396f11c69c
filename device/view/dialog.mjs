/**
 * The dialogs of the viewfinder: a title with *Close*, and a body.
 */

import { createButton, createElement } from "./elements.mjs";

/**
 * Return a dialog that is still closed, and its body. It is removed when it is closed.
 *
 * @param {ParentNode} parent where the viewfinder is
 * @param {string} title
 * @returns {{dialog: HTMLDialogElement, body: Element}}
 */
export function createDialog(parent, title) {
  const heading = createElement("h3", { className: "vf-headline", id: "loupe-dialog" }, title);
  const close = createButton("vf-text-button", "Close");
  const body = createElement("div", { className: "vf-dialog-body" });
  const dialog = createElement(
    "dialog",
    { className: "vf-dialog" },
    createElement("div", { className: "vf-dialog-head" }, heading, close),
    body,
  );
  dialog.setAttribute("aria-labelledby", heading.id);
  close.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  // A press on the backdrop. A selection of text may end there, but doesn't begin there.
  let pressed = null;
  dialog.onpointerdown = ({ target }) => {
    pressed = target;
  };
  dialog.onclick = ({ target }) => {
    if (target === dialog && pressed === dialog) dialog.close();
  };
  // In the view's own element, which has the theme's tokens.
  parent.querySelector(".vf").append(dialog);
  return { dialog, body };
}
