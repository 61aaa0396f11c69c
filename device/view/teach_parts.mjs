/** What the screens of "Teach" are drawn with, and its dialogs. */

import { createButton, createDialog, createIcon, createIconButton, h } from "./elements.mjs";

const HANDLERS = ["onclick", "onsubmit", "onkeydown"];

/**
 * Make an element's children like these. An element whose place and tag stay is changed and not
 * replaced, so focus, scrolling, typed text and a press that is under way stay, too.
 */
export function draw(element, ...children) {
  become(element, h("div", ...children));
}

/** @type {(element: any, wanted: Element) => void} */
function become(element, wanted) {
  const nodes = [...wanted.childNodes];
  for (const [at, node] of nodes.entries()) {
    const old = element.childNodes[at];
    if (!old) element.append(node);
    else if (old.nodeName !== node.nodeName) old.replaceWith(node);
    else if (node instanceof Element) {
      copyAttributes(old, node);
      become(old, node);
    } else if (old.data !== node.nodeValue) old.data = node.nodeValue;
  }
  while (element.childNodes.length > nodes.length) element.lastChild.remove();
}

function copyAttributes(old, node) {
  for (const name of old.getAttributeNames()) {
    if (!node.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of node.attributes) {
    // The page's policy forbids the attribute "style".
    if (name === "style") old.style.cssText = value;
    else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of HANDLERS) old[name] = node[name];
}

export const flag = (name, isOn) => (isOn ? { [name]: "" } : {});

export const tool = (text, icon, onclick) =>
  createButton("vf-button.tv-slim", text, { icon, onclick });

export const iconButton = (text, icon, onclick) =>
  createIconButton("vf-icon-button", text, icon, onclick);

/** Return a button that says what it undoes. */
export function createUndo(text, { onUndo }) {
  const button = tool("Undo: ", "back", onUndo);
  button.lastElementChild.append(...nodesOf(["", ...text]));
  return button;
}

/** Return a label as it was typed, apart from the text around it. */
export const bdi = (label) => h("bdi", label);
/** The same at the beginning of a line. */
export function capitalized(label) {
  const [first = "", ...rest] = label;
  return bdi(first.toLocaleUpperCase() + rest.join(""));
}
export const nodesOf = (phrase) =>
  phrase.map((part, at) =>
    typeof part === "string" ? part : at ? bdi(part.label) : capitalized(part.label),
  );

/** URLs of photos by their ids: an image that is drawn anew must not be decoded anew. */
export class PhotoUrls {
  #urls = new Map();

  of({ id, photo }) {
    if (!this.#urls.has(id)) this.#urls.set(id, URL.createObjectURL(photo));
    return this.#urls.get(id);
  }

  /** Free those of all but some photos. */
  keep(photos) {
    const ids = new Set(photos.map(({ id }) => id));
    for (const [id, url] of this.#urls) {
      if (ids.has(id)) continue;
      URL.revokeObjectURL(url);
      this.#urls.delete(id);
    }
  }
}

const OPENS = "Your friend opens it in Teach.";

/** Offer actions, one of which closes the dialog; `items` are text, icon and action of each. */
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

export function download(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  // Some browsers read it later.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
