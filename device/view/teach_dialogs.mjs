/** The questions of "Teach", each of which calls `use` with what was chosen or typed. */

import { findNameFlaw } from "../teach/loupe_file.mjs";
import { createButton, createDialog, createIcon, h } from "./elements.mjs";

const OPENS = "Your friend opens it in Teach.";

/**
 * Offer actions, one of which closes the dialog.
 *
 * @param {ParentNode} parent
 * @param {string} title
 * @param {string} line
 * @param {any[][]} items text, icon and action of each
 */
export function openMenu(parent, title, line, items) {
  const dialog = open(parent, title, h("p", line));
  for (const [text, icon, use] of items) {
    const onclick = () => (dialog.close(), use());
    const button = createButton("vf-button", text, { icon, onclick });
    button.lastElementChild.setAttribute("dir", "auto");
    dialog.lastElementChild.append(button);
  }
}

/** Ask for a name; `flawOf` returns why one can't be used, or "". */
export function askName(parent, title, value, flawOf, use) {
  const field = h("input", { type: "text", value, ariaLabel: title, autocomplete: "off" });
  const flaw = h("p.vf-alert", { role: "alert" });
  const save = h("button.vf-button.vf-main", { type: "submit" }, "Save");
  const form = h("form", field, flaw, save);
  const dialog = open(parent, title, form);
  field.focus();
  field.select();
  form.onsubmit = (event) => {
    event.preventDefault();
    const text = field.value.trim();
    flaw.textContent = text === value ? "" : flawOf(text);
    if (flaw.textContent) return;
    dialog.close();
    if (text !== value) use(text);
  };
}

/**
 * Send a model by the device's share sheet, which may refuse its type: then as text, and where no
 * file can be sent, it is saved. `files` are the model, and the same as text.
 */
export function openSend(parent, title, line, files) {
  const ways = files.filter((file) => navigator.canShare?.({ files: [file] }));
  const offer = () => {
    const [icon, text] = ways.length ? ["share", "Send the file"] : ["save", "Save the file"];
    send.replaceChildren(createIcon(icon), h("span", text));
    const asText = ways[0] === files[0] ? "" : "It goes as a text file. ";
    note.textContent = (ways.length ? asText : "Save it, then attach it to a message. ") + OPENS;
  };
  const onclick = async () => {
    if (!ways.length) return download(files[0], files[0].name);
    send.disabled = true;
    try {
      const text = `Open it in Teach: ${location.origin}${location.pathname}`;
      await navigator.share({ files: [ways[0]], text });
      dialog.close();
    } catch (error) {
      if (error.name === "AbortError") return;
      // Chromium tells only now that it refuses a type; the next try needs a press of its own.
      ways.shift();
      offer();
    } finally {
      send.disabled = false;
    }
  };
  const send = createButton("vf-button.vf-main", "", { onclick });
  const note = h("p.vf-sub", { role: "status" });
  const dialog = open(parent, title, h("p.vf-sub", line), send, note);
  offer();
}

/** Show a command for a terminal. */
export function showCommand(parent, title, line, command) {
  const say = () => (copy.lastElementChild.textContent = "Copied");
  const onclick = () => navigator.clipboard.writeText(command).then(say);
  const copy = createButton("vf-button", "Copy", { icon: "copy", onclick });
  // On plain http there is no clipboard: the text can be selected.
  copy.hidden = !navigator.clipboard;
  open(parent, title, h("p", line), h("code.tv-code", { tabIndex: 0 }, command), copy);
}

function open(parent, title, ...content) {
  const { dialog, body } = createDialog(parent, title);
  body.append(...content);
  dialog.showModal();
  return dialog;
}

/** Return why a text can't be a name, or a label beside others; "" if it can. */
export function phraseFlaw(text, others = []) {
  const flaw = findNameFlaw(text, others);
  return flaw && `This name can’t be used: ${flaw}.`;
}

/** Save a file. */
export function download(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  // Some browsers read it later.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
