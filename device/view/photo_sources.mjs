/**
 * Photos by file, paste, drop and sample, and the keys of the viewfinder, for the whole page.
 *
 * Events that another part of the page handles are left alone: text fields keep their paste,
 * buttons their space bar.
 */

const EDITABLE = "input, textarea, select, [contenteditable]:not([contenteditable=false])";
/** Elements that use the space bar themselves. */
export const PRESSABLE = `${EDITABLE}, button, a[href], summary, [role=button]`;

const NO_PHOTO_PASTED = "There is no photo in the clipboard.";
const NO_FILE_DROPPED = "What you dropped isn’t a file. Save the photo first, then drop it here.";
const NO_CLIPBOARD =
  "The browser doesn’t let this page read the clipboard. Choose a photo instead.";
const NO_SAMPLE = "This photo can’t be fetched without a network.";

/** Descriptions of photos for screen readers, by source. */
export const ALTS = {
  file: "The photo you chose",
  paste: "The photo you pasted",
  drop: "The photo you dropped",
  camera: "The photo you took",
  frame: "The photo you took",
};

/** @type {(parts: Parts, handlers: SourceHandlers, signal: AbortSignal) => void} */
export function connectSources(parts, handlers, signal) {
  for (const input of [parts.pick, parts.capture]) {
    input.onchange = () => {
      const [file] = input.files;
      input.value = "";
      if (file) handlers.onPhoto(file, "file");
    };
  }
  parts.paste.hidden = !navigator.clipboard?.read;
  parts.paste.onclick = async () => {
    const press = handlers.onBegin();
    const photo = await readClipboard().catch(() => undefined);
    if (photo) handlers.onPhoto(photo, "paste", undefined, press);
    else handlers.onRefusal(photo === null ? NO_PHOTO_PASTED : NO_CLIPBOARD, press);
  };
  const { root } = parts;
  const take = ([file], source, refusal) => {
    if (file) handlers.onPhoto(file, source);
    else if (refusal) handlers.onRefusal(refusal);
  };
  const onKey = (event) => {
    if (event.type !== "keydown" || !isOurs(event, root)) return false;
    if (event.key === "Escape") return !targetOf(event, EDITABLE) && handlers.onEscape();
    const isSpace = event.key === " " && !event.repeat;
    return isSpace && !targetOf(event, `${PRESSABLE}, [tabindex]`) && handlers.onSpace();
  };
  const onPaste = (event) =>
    take(event.clipboardData.files, "paste", isOurs(event, root) && NO_PHOTO_PASTED);
  const onDrop = ({ files }) => take(files, "drop", NO_FILE_DROPPED);
  listen(root, { onPaste, onDrop, onKey }, signal);
}

/** Take a sample's photo, unless another press comes first. */
export async function takeSample({ url, alt }, { onBegin, onPhoto, onRefusal }) {
  const press = onBegin();
  const response = await fetch(url).catch(() => null);
  const photo = response?.ok ? await response.blob().catch(() => null) : null;
  if (photo) onPhoto(photo, "sample", alt, press);
  else onRefusal(NO_SAMPLE, press);
}

/**
 * Call handlers of what is pasted or dropped anywhere on the page, and of keys, while `isOpen`.
 * `onKey` returns whether a key was used.
 */
export function listen(root, { isOpen = () => true, onPaste, onDrop, onKey }, signal) {
  const on = (name, handler) => {
    const handle = (event) => !event.defaultPrevented && isOpen() && handler(event);
    document.addEventListener(name, handle, { signal });
  };
  // Between elements there is a next one; otherwise the pointer has left the window.
  const onLeave = (event) => event.relatedTarget || root.removeAttribute("data-dropping");
  for (const name of ["dragleave", "drop"]) document.addEventListener(name, onLeave, { signal });
  on("dragover", (event) => {
    if (!event.dataTransfer) return;
    event.preventDefault();
    root.toggleAttribute("data-dropping", true);
  });
  on("drop", (event) => {
    event.preventDefault();
    onDrop(event.dataTransfer);
  });
  on("paste", (event) => targetOf(event, EDITABLE) || onPaste(event));
  for (const name of ["keydown", "keyup"]) {
    on(name, (event) => {
      const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
      if (!hasModifier && onKey(event)) event.preventDefault();
    });
  }
}

/** Return whether an event targets the viewfinder, or no element in particular; not its dialogs. */
function isOurs(event, root) {
  if (root.querySelector("dialog[open]")) return false;
  const path = event.composedPath();
  return path[0] === document.body || path[0] === document.documentElement || path.includes(root);
}

/** Return the element of an event's path that matches, also across a shadow root's border. */
export function targetOf(event, selector) {
  return event.composedPath().find((node) => node instanceof Element && node.matches(selector));
}

/** Return the picture in the clipboard, or null if there is none. */
async function readClipboard() {
  for (const item of await navigator.clipboard.read()) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (type) return item.getType(type);
  }
  return null;
}
