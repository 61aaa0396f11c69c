/**
 * The dialogs of the viewfinder: a title with *Close*, and a body.
 */

import { createButton, h } from "./elements.mjs";

/**
 * Return a dialog that is still closed, and its body. It is removed when it is closed.
 *
 * @param {ParentNode} parent where the viewfinder is
 * @param {string} title
 * @returns {{dialog: HTMLDialogElement, body: Element}}
 */
export function createDialog(parent, title) {
  const heading = h("h3.vf-headline", { id: "loupe-dialog" }, title);
  const close = createButton("vf-text-button", "Close", { onclick: () => dialog.close() });
  const body = h("div.vf-dialog-body");
  const dialog = h("dialog.vf-dialog", h("div.vf-dialog-head", heading, close), body);
  dialog.setAttribute("aria-labelledby", heading.id);
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
