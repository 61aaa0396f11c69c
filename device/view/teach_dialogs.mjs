/** The questions of "Teach", each of which calls `use` with what was chosen or typed. */

import { findTextFlaw } from "../teach/loupe_file.mjs";
import { createButton, createDialog, h } from "./elements.mjs";

/**
 * Offer actions, one of which closes the dialog.
 *
 * @param {ParentNode} parent
 * @param {string} title
 * @param {string} line
 * @param {any[][]} items text, icon and action of each
 */
export function openMenu(parent, title, line, items) {
  const { dialog, body } = createDialog(parent, title);
  const buttons = items.map(([text, icon, use]) => {
    const button = createButton("vf-button", text, {
      icon,
      onclick: () => (dialog.close(), use()),
    });
    button.lastElementChild.setAttribute("dir", "auto");
    return button;
  });
  body.append(h("p", line), ...buttons);
  dialog.showModal();
}

/** Ask for a name; `flawOf` returns why one can't be used, or "". */
export function askName(parent, title, value, flawOf, use) {
  const { dialog, body } = createDialog(parent, title);
  const field = h("input", { type: "text", value, ariaLabel: title, autocomplete: "off" });
  const flaw = h("p.vf-alert", { role: "alert" });
  const save = h("button.vf-button.vf-main", { type: "submit" }, "Save");
  const form = h("form", field, flaw, save);
  form.onsubmit = (event) => {
    event.preventDefault();
    const text = field.value.trim();
    flaw.textContent = text === value ? "" : flawOf(text);
    if (flaw.textContent) return;
    dialog.close();
    if (text !== value) use(text);
  };
  body.append(form);
  dialog.showModal();
}

/** Show a command for a terminal. */
export function showCommand(parent, title, line, command) {
  const { dialog, body } = createDialog(parent, title);
  const onclick = () =>
    navigator.clipboard
      .writeText(command)
      .then(() => (copy.lastElementChild.textContent = "Copied"));
  const copy = createButton("vf-button", "Copy", { icon: "copy", onclick });
  // On plain http there is no clipboard: the text can be selected.
  copy.hidden = !navigator.clipboard;
  body.append(h("p", line), h("code.tv-code", { tabIndex: 0 }, command), copy);
  dialog.showModal();
}

/** Return why a text can't be a name, or "". */
export function phraseFlaw(text) {
  const flaw = findTextFlaw(text);
  return flaw && `This name can’t be used: ${flaw}.`;
}

/** Save a file. */
export function download(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  // Some browsers read it later.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
