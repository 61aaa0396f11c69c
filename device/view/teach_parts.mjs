/** What the screens of "Teach" are drawn with. */

import { createButton, h } from "./elements.mjs";

const HANDLERS = ["onclick", "onsubmit", "onkeydown"];

/**
 * Make an element's children like these. An element whose place and tag stay is changed and not
 * replaced, so focus, scrolling, typed text and a press that is under way stay, too.
 *
 * @param {Element} element
 * @param {...(Node | string)} children
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

/** Return an attribute that has no value, or nothing. */
export const flag = (name, isOn) => (isOn ? { [name]: "" } : {});

/** Return a small button with an icon. */
export const tool = (text, icon, onclick) =>
  createButton("vf-button.tv-slim", text, { icon, onclick });

/** Return a button that is an icon only. */
export const iconButton = (text, icon, onclick) =>
  createButton("vf-icon-button", text, { icon, isIconOnly: true, onclick });

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
/** Return a phrase's nodes. */
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
