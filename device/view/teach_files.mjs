/** Photos to teach by file: many at once, whole folders, from the clipboard, and dropped ones. */

import { randomId } from "../visit/recents.mjs";
import { listen, PRESSABLE, targetOf } from "./photo_sources.mjs";

/** Return whether a file is a project's or a model's. */
export const isMadeHere = ({ name }) => /\.(loupe|zip|loupe\b.*\.txt)$/i.test(name);

/** Take files, and the space bar, until `signal` is aborted; see `createHandlers`. */
export function connectFiles(root, { onFiles, onFile, onSeveral, onSpace }, signal) {
  const isOpen = () => root.isConnected && !root.querySelector("dialog[open]");
  const take = (found) => {
    if (!found.every(({ file }) => isMadeHere(file))) onFiles(found);
    else if (found.length > 1) onSeveral();
    else onFile(found[0]?.file);
  };
  const onPaste = ({ clipboardData }) => take(withoutLabels(clipboardData.files));
  const onDrop = async (transfer) => take(await readDropped(transfer));
  const onKey = (event) =>
    event.key === " " &&
    !targetOf(event, PRESSABLE) &&
    (event.repeat || onSpace(event.type === "keydown"));
  listen(root, { isOpen, onPaste, onDrop, onKey }, signal);
}

/** Return files as `readDropped` does, of which no folder names the label or is the recording. */
export const withoutLabels = (files) =>
  Array.from(files, (file) => ({ file, label: null, recording: null }));

/** Return what was dropped; a folder's name is the label of the photos in it. */
export async function readDropped(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return withoutLabels(transfer.files);
  return (await Promise.all(entries.map((entry) => readEntry(entry)))).flat();
}

/**
 * A folder in a label's folder is a recording of it; a folder that holds folders only has no label.
 */
async function readEntry(entry, label = null, recording = null) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    return [{ file: await new Promise((...both) => entry.file(...both)), label, recording }];
  }
  const [reader, entries] = [entry.createReader(), []];
  // A reader returns some at a time.
  for (let some; some?.length !== 0; entries.push(...some)) {
    some = await new Promise((...both) => reader.readEntries(...both));
  }
  const isLabel = label === null && entries.some(({ isFile, name }) => isFile && name[0] !== ".");
  const name = isLabel ? entry.name : label;
  const group = label === null ? null : randomId();
  return (await Promise.all(entries.map((one) => readEntry(one, name, group)))).flat();
}
