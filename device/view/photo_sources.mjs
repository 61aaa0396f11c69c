/**
 * Photos by paste and drop, and the keys of the viewfinder, for the whole page.
 *
 * Events that another part of the page handles are left alone: text fields keep their paste,
 * buttons their space bar.
 */

const EDITABLE = "input, textarea, select, [contenteditable]:not([contenteditable=false])";
const PRESSABLE = `${EDITABLE}, button, a[href], summary, [tabindex], [role=button]`;

export const NO_PHOTO_PASTED = "There is no photo in the clipboard.";
export const NO_FILE_DROPPED =
  "What you dropped isn't a file. Save the photo first, then drop it here.";

/**
 * Listen until `signal` is aborted.
 *
 * @param {Element} root of the viewfinder
 * @param {object} handlers
 * @param {(file: File, source: "paste" | "drop") => void} handlers.onPhoto
 * @param {(message: string) => void} handlers.onRefusal
 * @param {(isOver: boolean) => void} handlers.onDragging
 * @param {() => boolean} handlers.onSpace returns whether the key was used
 * @param {() => boolean} handlers.onEscape the same
 * @param {AbortSignal} signal
 */
export function listen(root, { onPhoto, onRefusal, onDragging, onSpace, onEscape }, signal) {
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
    onDragging(true);
  });
  on("dragleave", (event) => {
    // The pointer has left the window: between elements there is a next one.
    if (!event.relatedTarget) onDragging(false);
  });
  on("drop", (event) => {
    onDragging(false);
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

/** Whether a button can paste. */
export const canPaste = () => Boolean(navigator.clipboard?.read);

/** Return the picture in the clipboard, or null if there is none. */
export async function readClipboard() {
  for (const item of await navigator.clipboard.read()) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (type) return item.getType(type);
  }
  return null;
}
