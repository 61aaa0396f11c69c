/**
 * Photos by file, paste, drop and sample, and the keys of the viewfinder, for the whole page.
 *
 * Events that another part of the page handles are left alone: text fields keep their paste,
 * buttons their space bar.
 */

const EDITABLE = "input, textarea, select, [contenteditable]:not([contenteditable=false])";
const PRESSABLE = `${EDITABLE}, button, a[href], summary, [tabindex], [role=button]`;

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

/**
 * Take photos until `signal` is aborted.
 *
 * @type {(parts: Parts, handlers: SourceHandlers, signal: AbortSignal) => void}
 */
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
  listen(parts.root, handlers, signal);
}

/** Take a sample's photo, unless another press comes first. */
export async function takeSample({ url, alt }, { onBegin, onPhoto, onRefusal }) {
  const press = onBegin();
  const response = await fetch(url).catch(() => null);
  const photo = response?.ok ? await response.blob().catch(() => null) : null;
  if (photo) onPhoto(photo, "sample", alt, press);
  else onRefusal(NO_SAMPLE, press);
}

function listen(root, { onPhoto, onRefusal, onSpace, onEscape }, signal) {
  const showDragging = (isOver) => root.toggleAttribute("data-dropping", isOver);
  const on = (name, handler) => document.addEventListener(name, handler, { signal });
  on("paste", (event) => {
    if (event.defaultPrevented || targetOf(event, EDITABLE)) return;
    const [file] = event.clipboardData.files;
    if (file) onPhoto(file, "paste");
    else if (isOurs(event, root)) onRefusal(NO_PHOTO_PASTED);
  });
  on("dragover", (event) => {
    if (event.defaultPrevented || !event.dataTransfer) return;
    event.preventDefault();
    showDragging(true);
  });
  on("dragleave", (event) => {
    // The pointer has left the window: between elements there is a next one.
    if (!event.relatedTarget) showDragging(false);
  });
  on("drop", (event) => {
    showDragging(false);
    if (event.defaultPrevented) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) onPhoto(file, "drop");
    else onRefusal(NO_FILE_DROPPED);
  });
  on("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const isSpace = event.key === " " && !event.repeat && !targetOf(event, PRESSABLE);
    const isEscape = event.key === "Escape" && !targetOf(event, EDITABLE);
    if ((isSpace || isEscape) && isOurs(event, root)) {
      if (isSpace ? onSpace() : onEscape()) event.preventDefault();
    }
  });
}

/** Return whether an event targets the viewfinder, or no element in particular; not its dialogs. */
function isOurs(event, root) {
  if (root.querySelector("dialog[open]")) return false;
  const path = event.composedPath();
  return path[0] === document.body || path[0] === document.documentElement || path.includes(root);
}

/** Return the element of an event's path that matches, also across a shadow root's border. */
function targetOf(event, selector) {
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
