/** Elements, icons, dialogs and style sheets, made without HTML text. */

/**
 * Return an element, in the manner of hyperscript: `h("p.vf-small", { hidden: true }, "Text")`.
 *
 * @template {string} Selector
 * @param {Selector} selector tag and classes
 * @param {Record<string, unknown> | Node | string} [first] properties of the element, or attributes
 *   where it has no such property; or its first child
 * @param {...(Node | string)} others
 * @returns {ElementOf<Selector>}
 */
export function h(selector, first = {}, ...others) {
  const isChild = typeof first === "string" || first instanceof Node;
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(isChild ? {} : first)) {
    if (name in element) Object.assign(element, { [name]: value });
    else element.setAttribute(name, String(value));
  }
  element.append(...(isChild ? [first, ...others] : others));
  return /** @type {any} */ (element);
}

/**
 * Return a button; `icon` is drawn before its text.
 *
 * @type {(classes: string, text: string, options?: {icon?: string,
 *   onclick?: (event: MouseEvent) => void}) => HTMLButtonElement} with classes as in a selector
 */
export function createButton(classes, text, { icon, onclick } = {}) {
  const button = h(`button.${classes}`, { type: "button", onclick }, h("span", text));
  if (icon) button.prepend(createIcon(icon));
  return button;
}

export function createIconButton(classes, label, icon, onclick) {
  return h(`button.${classes}`, { type: "button", "aria-label": label, onclick }, createIcon(icon));
}

/** Let keys scroll text that is too long; live words change too often to be measured. */
export function letKeysScroll(words) {
  const isLong = words.hasAttribute("data-live") || words.scrollHeight > words.clientHeight + 1;
  if (isLong) words.tabIndex = 0;
  else words.removeAttribute("tabindex");
}

/** Return a title with a small line below it, as for a choice. */
export function createCaption(title, line) {
  return h("span", h("b", ...title), h("span.vf-small", ...line));
}

/** Return an icon of 24 × 24 px in the colour of the text. */
export function createIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "vf-icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * Return a closed dialog, which is removed once it is closed again, and its body; `parent` holds
 * the view's element.
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

/**
 * Link style sheets, by names relative to this file, or inline those in the page's first bundle.
 * The promise is fulfilled once they have loaded or failed.
 */
export function linkStyles(root, names) {
  const load = (link) => new Promise((resolve) => (link.onload = link.onerror = resolve));
  const loads = names.map((name) => {
    const { href } = new URL(`${name}.css`, import.meta.url);
    const text = globalThis.styleSheets?.[href];
    const sheet = text ? h("style", text) : h("link", { rel: "stylesheet", href });
    root.append(sheet);
    return text ? null : load(sheet);
  });
  return Promise.all(loads);
}

const SVG = "http://www.w3.org/2000/svg";
const BODY =
  "M4 7.5h3.5L9 5h6l1.5 2.5H20a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V8.5a1 1 0 0 1 1-1z";

const ICONS = {
  back: "M8.5 5l-4 4 4 4M4.5 9H15a4.8 4.8 0 0 1 0 9.5h-4",
  box: "m12 3.5 8 4.5v8.5l-8 4.5-8-4.5V8zM4 8l8 4.5L20 8M12 12.5V21",
  check: "m5 12.5 4.5 4.5L19 7.5",
  code: "m8.5 7.5-5 4.5 5 4.5M15.5 7.5l5 4.5-5 4.5",
  dots: "M6 12h.01M12 12h.01M18 12h.01",
  folder: "M3.5 6.5h6l2 2.5h9v10h-17z",
  move: "M4 12h15M14.5 7.5 19 12l-4.5 4.5",
  save: "M12 4v11M8 11.5l4 3.5 4-3.5M5 20h14",
  stop: "M7.5 6.5h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1z",
  close: "M6 6l12 12M18 6 6 18",
  file: "M6.5 3.5h7L18 8v12.5H6.5zM13.5 3.5V8H18",
  up: "M12 19V5M6.5 10.5 12 5l5.5 5.5",
  book: "M12 6.5C10 5 7 4.7 3.5 5v13.5c3.5-.3 6.5 0 8.5 1.5 2-1.5 5-1.8 8.5-1.5V5C17 4.7 14 5 12 6.5zM12 6.5V20",
  camera: `${BODY}M8.5 13a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0`,
  "camera-off":
    "M9.5 5H15l1.5 2.5H20a1 1 0 0 1 1 1V17M17.5 19H4a1 1 0 0 1-1-1V8.5a1 1 0 0 1 1-1h2M14.8 15A3.5 3.5 0 1 1 10 10.2M3.5 3.5l17 17",
  copy: "M10 8.5h8A1.5 1.5 0 0 1 19.5 10v8.5a1.5 1.5 0 0 1-1.5 1.5H10A1.5 1.5 0 0 1 8.5 18.5V10A1.5 1.5 0 0 1 10 8.5zM15.5 8.5V5a1 1 0 0 0-1-1H6A1.5 1.5 0 0 0 4.5 5.5v9a1 1 0 0 0 1 1h3",
  down: "m8 10.5 4 4 4-4",
  eye: "M3 12s3.2-6 9-6 9 6 9 6-3.2 6-9 6-9-6-9-6zM9.5 12a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0",
  flip: `${BODY}M8.6 12.6a3.5 3.5 0 0 1 6.3-1.5M15.4 13.4a3.5 3.5 0 0 1-6.3 1.5M15.2 9v2.2H13M8.8 17v-2.2H11`,
  gallery:
    "M5.5 4.5h13a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2v-11a2 2 0 0 1 2-2zM7 9.5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M4 17l5-4.5 3.5 3 3.5-3.5 4.5 4",
  info: "M3.5 12a8.5 8.5 0 1 0 17 0a8.5 8.5 0 1 0-17 0M12 11v5M12 8h.01",
  lens: "M4 10a6 6 0 1 0 12 0a6 6 0 1 0-12 0M14.5 14.5 20 20",
  more: "M12 5v14M5 12h14",
  next: "m10 7 5 5-5 5",
  paste:
    "M6.5 5h11A1.5 1.5 0 0 1 19 6.5v13a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19.5v-13A1.5 1.5 0 0 1 6.5 5zM9 5V3.5h6V5M9 11h6M9 15h4",
  pen: "m4.5 19.5.9-4L16 4.9a1.6 1.6 0 0 1 2.3 0l.8.8a1.6 1.6 0 0 1 0 2.3L8.5 18.6zM14 7l3 3",
  phone: "M9 3h6a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H9a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM11 18h2",
  server:
    "M5.5 4.5h13A1.5 1.5 0 0 1 20 6v3a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 9V6a1.5 1.5 0 0 1 1.5-1.5zM5.5 13.5h13A1.5 1.5 0 0 1 20 15v3a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18v-3a1.5 1.5 0 0 1 1.5-1.5zM7.5 7.5h.01M7.5 16.5h.01",
  share: "M12 14.5V3.5M8 7l4-3.5L16 7M6.5 11H5v9.5h14V11h-1.5",
  swap: "M4 8.5h15M15.5 5l3.5 3.5-3.5 3.5M20 15.5H5M8.5 12 5 15.5 8.5 19",
  whole: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  trash: "M5 7h14M9.5 7V4.5h5V7M6.5 7l.9 12.5h9.2L17.5 7M10.3 10.5v5.5M13.7 10.5v5.5",
  torch: "M13 3 6 13.5h5L10.5 21 18 10h-5.5z",
};
