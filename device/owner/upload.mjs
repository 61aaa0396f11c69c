/** "Add photos", as a zip or as a folder that is zipped: a component of Streamlit. */

import { LoupeError, phraseError } from "../engine/errors.mjs";
import { sendPhotos } from "./send_photos.mjs";
import { crc32, writeZip } from "../teach/zip.mjs";
import { megabytes } from "../view/disclosure.mjs";
import { createButton, h } from "../view/elements.mjs";
import { createPanel } from "../view/streamlit_component.mjs";
import { readDropped } from "../view/teach_files.mjs";

/** Most bytes and files of a folder that is zipped in the browser. */
const [FOLDER_BYTES, FOLDER_FILES] = [500e6, 65_535];
const FOLDER_TOO_LARGE =
  "This folder is too large to zip here. Zip it yourself and choose the zip.";
const NO_FOLDER = "Drop one zip, or folders of photos: a folder’s name is its photos’ label.";
const UNREADABLE = "The photos couldn’t be read. Choose them again.";
const UNPACKING = "Unpacking…";

/** Show the component; once the photos are saved, it sends "done" with the response. */
export default createPanel("../owner/photo_rows", () => new Upload());

class Upload {
  #data = null;
  #send = null;
  /** Cancels the upload that is under way. */
  #running = null;
  #ask = h("p.ask");
  #ways = h("fieldset.ways");
  #phase = h("span");
  #amount = h("span", { ariaHidden: "true" });
  #bar = h("progress", { ariaLabel: "Sent" });
  #cancel = createButton("way", "Cancel", { onclick: () => this.#running?.abort() });
  #sending = h("div.sending", h("p.said", { role: "status" }, this.#phase, this.#amount));
  #alert = h("p.alert", { role: "alert" });
  root = h("div.upload", this.#ways, this.#ask, this.#sending, this.#alert);

  constructor() {
    this.#sending.append(this.#cancel, this.#bar);
    this.#addWay("Choose a zip", "gallery", { accept: ".zip" });
    if ("webkitdirectory" in HTMLInputElement.prototype) {
      this.#addWay("Choose a folder", "folder", { multiple: true, webkitdirectory: true });
    }
    const drag = (isOver) => (event) => {
      event.preventDefault();
      this.root.toggleAttribute("data-dropping", isOver && !this.#ways.disabled);
    };
    [this.root.ondragover, this.root.ondragleave] = [drag(true), drag(false)];
    this.root.ondrop = (event) => {
      drag(false)(event);
      const onFailure = () => (this.#alert.textContent = UNREADABLE);
      readDropped(event.dataTransfer).then((chosen) => this.#take(chosen), onFailure);
    };
  }

  #addWay(text, icon, options) {
    const input = h("input", { type: "file", hidden: true, ...options });
    input.onchange = () => {
      this.#take(Array.from(input.files, withLabel));
      input.value = "";
    };
    this.#ways.append(createButton("way", text, { icon, onclick: () => input.click() }), input);
  }

  /** Take new data; an upload that is under way continues as it began. */
  update(data, send) {
    [this.#data, this.#send] = [data, send];
    this.#ask.textContent = data.ask;
    const isRunning = Boolean(this.#running);
    this.#ways.disabled = isRunning || !data.name;
    this.#ways.hidden = this.#ask.hidden = isRunning;
    this.#sending.hidden = !isRunning;
  }

  /** Stop reporting; the upload continues, and the browser still asks before leaving the page. */
  close() {
    this.#send = () => {};
  }

  /** Show the progress; only the phase is read aloud. Unpacking can't be cancelled. */
  #say(phase, amount = "", share = 0) {
    if (this.#phase.textContent !== phase) this.#phase.textContent = phase;
    this.#amount.textContent = amount;
    this.#bar.value = share;
    this.#cancel.hidden = phase === UNPACKING;
  }

  async #take(chosen) {
    if (this.#ways.disabled || !chosen.length) return;
    const { signal } = (this.#running = new AbortController());
    this.#alert.textContent = "";
    this.#say("Reading the photos…");
    this.update(this.#data, this.#send);
    this.#cancel.focus();
    try {
      this.#send("done", await this.#upload(chosen, this.#data, signal));
    } catch (error) {
      this.#alert.textContent = signal.aborted ? "" : phraseError(error, UNREADABLE);
    }
    this.#running = null;
    this.update(this.#data, this.#send);
  }

  async #upload(chosen, { base, limitMb, mode, name }, signal) {
    const isZip = chosen.length === 1 && /\.zip$/i.test(chosen[0].file.name);
    const zip = isZip ? chosen[0].file : await zipFolder(chosen, signal);
    const all = megabytes(zip.size);
    const tooLarge = `These photos are ${all} MB; the limit is ${limitMb} MB. Send them in parts.`;
    if (zip.size > limitMb * 1e6) throw new LoupeError("too-large", tooLarge);
    const onSent = (sent) => {
      if (sent === zip.size) this.#say(UNPACKING, "", 1);
      else this.#say(`Sending to ${name}: `, `${megabytes(sent)} of ${all} MB`, sent / zip.size);
    };
    const done = await sendPhotos(zip, { base, name, mode }, { onSent, signal });
    if (!done) throw new LoupeError("invalid", `There is already a photo set named ${name}.`);
    return done;
  }
}

/** Return a chosen file and, as its label, the folder that it is in. */
const withLabel = (file) => ({ file, label: file.webkitRelativePath.split("/").at(-2) ?? null });

/** Return the photos as a zip, a folder per label; only one photo is in memory at a time. */
async function zipFolder(chosen, signal) {
  const photos = chosen.filter(({ file }) => !file.name.startsWith("."));
  if (!photos.every(({ label }) => label)) throw new LoupeError("invalid", NO_FOLDER);
  const bytes = photos.reduce((sum, { file }) => sum + file.size, 0);
  const isTooLarge = bytes > FOLDER_BYTES || photos.length > FOLDER_FILES;
  if (isTooLarge) throw new LoupeError("too-large", FOLDER_TOO_LARGE);
  /** @type {Map<string, [string, File, number]>} */
  const files = new Map();
  for (const [at, { file, label }] of photos.entries()) {
    const path = `${label}/${file.name}`;
    const name = files.has(path) ? `${label}/${at}-${file.name}` : path;
    files.set(name, [name, file, crc32(new Uint8Array(await file.arrayBuffer()))]);
    signal.throwIfAborted();
  }
  return writeZip([...files.values()]);
}
