/** The questions of "Teach", each of which calls `use` with what was chosen, and its refusals. */

import { phraseError } from "../engine/errors.mjs";
import { findTextFlaw } from "../teach/loupe_file.mjs";
import { createButton, createDialog, h } from "./elements.mjs";
import { bdi } from "./teach_parts.mjs";

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
  const choose = (use) => () => (dialog.close(), use());
  const buttons = items.map(([text, icon, use]) =>
    createButton("vf-button", text, { icon, onclick: choose(use) }),
  );
  body.append(h("p", line), ...buttons);
  dialog.showModal();
}

/** Ask for a label. */
export function askLabel(parent, title, labels, use) {
  const { dialog, body } = createDialog(parent, title);
  const buttons = labels.map((label) => {
    const onclick = () => (dialog.close(), use(label));
    return h("button.vf-button", { type: "button", onclick }, bdi(label));
  });
  body.append(...buttons);
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
  const status = h("p", { role: "status" });
  const onclick = async () => {
    const isDone = await navigator.clipboard?.writeText(command).then(
      () => true,
      () => false,
    );
    status.textContent = isDone ? "Copied." : "This browser doesn’t copy here. Select the text.";
  };
  const copy = createButton("vf-button", "Copy", { icon: "copy", onclick });
  const code = h("code.tv-code", { tabIndex: 0 }, command);
  body.append(h("p", line), code, copy, status);
  dialog.showModal();
}

/** Return why a text can't be a name, or "". */
export function phraseFlaw(text) {
  const flaw = findTextFlaw(text);
  return flaw && `This name can’t be used: ${flaw}.`;
}

/** Say why a file was left out. */
export function leftOut({ name }, error) {
  if (error.code === "damaged") return `${name} is damaged and was left out.`;
  return `${name} was left out. ${phraseError(error, "It couldn’t be read.")}`;
}

/** Save a file. */
export function download(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  // Some browsers read it later.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
