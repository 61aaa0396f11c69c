/**
 * "Teach": a few things are named and filmed, and this device learns to tell them apart. One
 * component for a page of its own and for Streamlit, where it is in a shadow root.
 *
 * What a visitor types is only ever set as text.
 */

import { LoupeError, phraseError } from "../engine/errors.mjs";
import { load } from "../loupe.mjs";
import { MAX_LABELS, readLoupe, writeLoupe } from "../teach/loupe_file.mjs";
import { readProject, writeProject } from "../teach/project_file.mjs";
import { MAX_BYTES, MAX_PHOTOS, openStore } from "../teach/store.mjs";
import { linkStyles } from "./elements.mjs";
import { LivePicture } from "./live_picture.mjs";
import { randomId } from "./recents.mjs";
import {
  askLabel,
  askName,
  download,
  leftOut,
  openMenu,
  phraseFlaw,
  showCommand,
} from "./teach_dialogs.mjs";
import { connectFiles, withoutLabels } from "./teach_files.mjs";
import { LiveModel } from "./teach_live.mjs";
import { createDonePage, createPhotosPage, fileName } from "./teach_pages.mjs";
import { createTeachParts, PhotoUrls } from "./teach_parts.mjs";
import { canFilm, renderTeach } from "./teach_screen.mjs";
import { connectShutter, recordFrames } from "./teach_shutter.mjs";
import { Training } from "./teach_training.mjs";
import { count, FILE, mayVanish, usedOf } from "./teach_words.mjs";
import { followTheme } from "./viewfinder_parts.mjs";

const STYLES = ["tokens", "viewfinder", "answer", "dialog", "../teach"];
const DESK_PX = 900;
/** Frames that wait for their features; more would fill the memory. */
const MAX_WAITING = 10;
const UNTITLED = "My model";
const NO_WASM =
  "This browser has no WebAssembly, which runs the model. Open this page in another browser.";

/**
 * Show "Teach" in an element.
 *
 * @param {Element} parent
 * @param {object} options
 * @param {string} options.address of the base's folder with `model.json`
 * @param {string} [options.prefix] see `openStore`
 * @param {"dark" | "light" | null} [options.theme] by default the system's
 * @param {string} [options.above] CSS length that the page keeps above
 * @param {string | null} [options.back] address of the viewfinder
 * @param {() => void} [options.onReady] is called once the base is loaded
 * @param {(name: string) => void} options.onUse is called with the name of a model in the store
 */
export function mountTeach(parent, options) {
  return new Teach(parent, options);
}

class Teach {
  #options;
  #parent;
  #state = {
    project: { title: "", labels: [], bytes: 0, photos: [] },
    isPersisted: false,
    /** "teach", "photos" or "done", and the label whose photos are shown. */
    ...{ screen: "teach", shown: "" },
    /** Ids of the photos that are chosen on that page. */
    chosen: new Set(),
    /** The label that is recorded next. */
    current: null,
    ...{ isNaming: false, isUnfolded: false, isDesk: false },
    /** Files that wait for their label's name. */
    pending: [],
    ...{ recording: null, adding: null, outcome: null, taught: null },
    /** What was said last. */
    note: "",
    /** What the last action did, as a phrase, and how to reverse it. */
    undo: null,
    /** Files that were left out, by label. */
    failures: [],
    /** Ids of photos whose labels the visitor has confirmed. */
    confirmed: new Set(),
    device: { isReady: false, loaded: 0, total: 0, reason: null },
    rows: new Map(),
    urls: new PhotoUrls(),
  };
  #on = {
    onTouch: () => this.#picture.resetIdle(),
    onOpenCamera: () => this.#picture.open(),
    onFlip: () => this.#picture.camera.flip(),
    onSquare: ({ target }) => target.closest("button") || this.#takeOne(),
    onMenu: () => this.#openMenu(),
    onName: (event) => this.#name(event),
    onFieldKey: ({ key }) => {
      if (key === "Escape") this.#change({ isNaming: false, pending: [] });
    },
    onNewLabel: () => this.#ask(),
    onLabel: (label) => this.#change({ current: label, isNaming: false }),
    onPhotos: (label, ids = []) => {
      const chosen = new Set(ids);
      this.#change({ screen: "photos", shown: label, current: label, isNaming: false, chosen });
    },
    onBack: () => this.#change({ screen: "teach", chosen: new Set() }),
    onToggle: (id) => {
      const { chosen } = this.#state;
      if (!chosen.delete(id)) chosen.add(id);
      this.#render();
    },
    onUnfold: () => this.#change({ isUnfolded: true }),
    onShutter: () => {
      const { current, isNaming } = this.#state;
      if (!canFilm(this.#picture) && current && !isNaming) this.#parts.pick.click();
    },
    onPick: () => this.#parts.pick.click(),
    onOpenFile: () => this.#parts.open.click(),
    onConfirm: (ids) => {
      for (const id of ids) this.#state.confirmed.add(id);
      this.#render();
    },
    onMove: (ids, label) => this.#move(ids, label),
    onMoveTo: () => {
      const { chosen, project, shown } = this.#state;
      const others = project.labels.filter((label) => label !== shown);
      const title = `Move ${count(chosen.size, "photo")} to`;
      askLabel(this.#parent, title, others, (label) => this.#move([...chosen], label));
    },
    onRemove: (ids) => this.#edit({ ids, label: null }, [`removed ${count(ids.length, "photo")}`]),
    onUndo: async () => {
      const { undo } = this.#state;
      this.#change({ undo: null });
      if (undo) await this.#store(() => undo.reverse());
    },
    onRename: () => {
      const { title } = this.#state.project;
      const use = (text) => this.#edit({ title: text });
      askName(this.#parent, "Name of your model", title || UNTITLED, phraseFlaw, use);
    },
    onRenameLabel: (label) => {
      const flawOf = (text) => this.#flawOf(text);
      const use = (text) => this.#renameLabel(label, text);
      askName(this.#parent, "Name of this label", label, flawOf, use);
    },
    onRemoveLabel: (label) => {
      const { labels } = this.#state.project;
      const change = { labels: labels.filter((one) => one !== label), label: null };
      this.#edit({ ...change, ids: this.#idsOf(label) }, ["removed ", { label }]);
      this.#change({ screen: "teach" });
    },
    onDone: () => this.#change({ screen: "done" }),
    onUse: () => this.#finish((taught) => this.#use(taught)),
    onSaveFile: () =>
      this.#finish((taught) => download(writeLoupe(taught), `${this.#fileName}.loupe`)),
    onSaveProject: async () =>
      download(await writeProject(this.#state.project), `${this.#fileName}-project.zip`),
    onClear: () => this.#clear(),
    onPutInApp: () => {
      const name = this.#fileName;
      const line = "Save the file first. Then, where the app is installed, run:";
      const command = `python -m model import ${name}.loupe --name ${name}`;
      showCommand(this.#parent, "Put it in my app", line, command);
    },
  };
  /** @type {any} */
  #parts = createTeachParts(this.#on);
  /** @type {any} */
  #live = new LiveModel();
  #picture = new LivePicture(
    this.#parts,
    () => ({ identifier: this.#live, top: 3, entry: this.#state.screen === "teach" ? null : {} }),
    () => this.#render(),
  );
  #unmounting = new AbortController();
  #training = new Training(
    this.#live,
    () => {
      const { adding, project, recording } = this.#state;
      return adding || recording || this.#unmounting.signal.aborted ? null : project;
    },
    (changes) => {
      this.#change(changes);
      this.#picture.follow();
    },
  );
  /** The base model, once loaded; the store, once opened; and the promise of both. */
  #base = null;
  #opening = null;
  #kept = null;
  #loading;
  #persisting = null;
  #applyTheme;

  constructor(parent, options) {
    this.#parent = parent;
    this.#options = { prefix: "", theme: null, above: "0px", back: null, ...options };
    const { root, open, pick, capture, picture, shutter, square, video } = this.#parts;
    const { signal } = this.#unmounting;
    this.#applyTheme = followTheme(root, { getTheme: () => this.#options.theme, signal });
    for (const input of [pick, capture, open]) {
      input.onchange = () => {
        const files = [...input.files];
        input.value = "";
        if (input === open) this.#openFile(files[0]);
        else this.#give(withoutLabels(files));
      };
    }
    const press = {
      isRecording: () => Boolean(this.#state.recording),
      start: (isKey) => this.#record(isKey),
      stop: () => this.#stop(),
    };
    const keys = connectShutter(shutter, press, signal);
    const on = {
      onFiles: (found) => this.#give(found),
      onProject: (file) => this.#openFile(file),
      onSpace: (isDown) =>
        this.#state.screen === "teach" && (isDown ? keys.down(true) : keys.up(), true),
    };
    connectFiles(root, on, signal);
    document.addEventListener("visibilitychange", () => document.hidden && this.#stop(), {
      signal,
    });
    linkStyles(root, STYLES).then(() => (root.hidden = false));
    parent.append(root);
    const place = () => this.#picture.place();
    const observer = new ResizeObserver(() => {
      this.#change({ isDesk: root.clientWidth >= DESK_PX });
      place();
    });
    for (const element of [root, picture, square]) observer.observe(element);
    signal.addEventListener("abort", () => observer.disconnect());
    video.addEventListener("resize", place, { signal });
    this.#picture.setLive(true);
    this.#picture.start();
    this.#loading = this.#load();
  }

  /** Change options; the camera stays open. */
  update(options) {
    Object.assign(this.#options, options);
    this.#applyTheme();
    this.#render();
  }

  /** Close the camera and the model, and remove everything. */
  unmount() {
    this.#stop();
    this.#unmounting.abort();
    this.#picture.destroy();
    this.#base?.close();
    this.#kept?.close();
    this.#state.urls.keep([]);
    this.#parts.root.remove();
  }

  /** Open what is kept, and load the base. */
  async #load() {
    const { signal } = this.#unmounting;
    const { address, prefix } = this.#options;
    const set = (changes) => this.#change({ device: { ...this.#state.device, ...changes } });
    try {
      if (!globalThis.WebAssembly) throw new LoupeError("engine-unavailable", NO_WASM);
      this.#opening = openStore({ prefix, onchange: () => this.#sync() });
      this.#kept = await this.#opening;
      await this.#sync();
      const onProgress = (loaded, total) => set({ loaded, total });
      this.#base = await load(address, { onProgress, signal });
      this.#live.recipe = this.#base.info.recipe;
      await this.#training.begin(this.#base, this.#kept);
      set({ isReady: true });
      this.#options.onReady?.();
      this.#picture.place();
      this.#training.soon();
    } catch (error) {
      if (!signal.aborted) set({ reason: phraseError(error) });
    }
  }

  /** Do something with the store, then show what it holds; where it fails, say so. */
  async #store(work) {
    try {
      return await work(this.#kept);
    } catch (error) {
      this.#stop();
      this.#change({ note: phraseError(error) });
    } finally {
      await this.#sync();
    }
  }

  async #sync() {
    const project = await this.#kept.read();
    const { labels } = project;
    const { current, screen, shown, urls } = this.#state;
    urls.keep(project.photos);
    this.#change({
      project,
      current: labels.includes(current) ? current : (labels.at(-1) ?? null),
      screen: screen === "photos" && !labels.includes(shown) ? "teach" : screen,
    });
    this.#training.soon();
  }

  /** Change the project; `text` says what was done, for "Undo". */
  async #edit(edit, text = null) {
    const reverse = await this.#store((store) => store.edit(edit));
    const undo = text && reverse ? { text, reverse } : null;
    this.#change({ undo, chosen: new Set(), ...(reverse ? { note: "" } : {}) });
  }

  #move(ids, label) {
    return this.#edit({ ids, label }, [`moved ${count(ids.length, "photo")} to `, { label }]);
  }

  #renameLabel(label, name) {
    const labels = this.#state.project.labels.map((one) => (one === label ? name : one));
    const ids = this.#idsOf(label);
    // At once, so that the page of its photos stays open.
    Object.assign(this.#state, { shown: name, current: name, outcome: null });
    return this.#edit({ labels, ids, ...(ids.length ? { label: name } : {}) });
  }

  #idsOf(label) {
    return this.#state.project.photos.filter((one) => one.label === label).map(({ id }) => id);
  }

  get #fileName() {
    return fileName(this.#state.project);
  }

  /** Ask for the name of another label. */
  #ask() {
    if (this.#state.project.labels.length >= MAX_LABELS) {
      return this.#change({
        note: `${MAX_LABELS} labels are the most. Remove one to add another.`,
      });
    }
    this.#change({ isNaming: true, note: "", screen: "teach" });
    return this.#parts.field.focus();
  }

  /** Take the name that was typed. */
  async #name(event) {
    event.preventDefault();
    const { field, shutter } = this.#parts;
    const label = field.value.trim();
    const { pending, project } = this.#state;
    const flaw = this.#flawOf(label);
    await this.#opening?.catch(() => {});
    if (flaw || !this.#kept) return this.#change({ note: flaw });
    field.value = "";
    this.#change({ isNaming: false, note: "", pending: [] });
    await this.#edit({ labels: [...project.labels, label] });
    this.#change({ current: label });
    shutter.focus({ preventScroll: true });
    if (pending.length) await this.#give(pending.map((one) => ({ ...one, label })));
  }

  /** Return why a new label can't have a name, or "". */
  #flawOf(label) {
    const isTaken = this.#state.project.labels.includes(label);
    return phraseFlaw(label) || (isTaken ? "There is a label of this name already." : "");
  }

  #isFull(more = 1) {
    const { bytes, photos } = this.#state.project;
    return photos.length + more > MAX_PHOTOS || bytes >= MAX_BYTES;
  }

  /** Take photos by file; those without a label get the present one. */
  async #give(found) {
    const { current, isNaming, screen } = this.#state;
    if (!found.length) return;
    if (found.some(({ label }) => !label) && (!current || isNaming)) {
      this.#state.pending = found;
      this.#ask();
      return;
    }
    const failures = [];
    const next = screen === "done" ? "teach" : screen;
    this.#change({ note: "", undo: null, screen: next });
    for (const [done, { file, label, recording }] of found.entries()) {
      this.#change({ adding: { done, total: found.length } });
      const name = (label ?? current).trim();
      try {
        await this.#loading;
        if (!this.#base) break;
        const values = { label: name, recording: `${FILE}${recording ?? randomId()}` };
        await this.#add(values, await this.#base.takePhoto(file));
      } catch (error) {
        failures.push({ label: name, text: leftOut(file, error) });
      }
    }
    this.#change({
      adding: null,
      failures: [...this.#state.failures, ...failures],
      note: failures.map(({ text }) => text).join(" "),
    });
    await this.#sync();
  }

  /** Add a photo that `takePhoto` made. */
  async #add(values, { photo, features }) {
    const base = this.#base.info.features.sha256;
    const id = await this.#kept.addPhoto({ ...values, photo, base, features });
    this.#training.features.set(id, features);
    const { project } = this.#state;
    if (!project.labels.includes(values.label)) project.labels.push(values.label);
    // Another tab's change may have brought it already.
    if (!project.photos.some((one) => one.id === id)) {
      project.photos.push({ id, photo, ...values });
      project.bytes += photo.size + features.byteLength;
    }
    this.#change({ current: values.label });
    // Once: some browsers ask the visitor.
    this.#persisting ??= this.#kept.persist();
    this.#state.isPersisted = await this.#persisting;
  }

  /** Begin a recording, or do what it needs first. */
  #record(isToggled = false) {
    const { current, isNaming } = this.#state;
    if (!current || isNaming) return this.#parts.field.focus();
    // By click, see `onShutter`: a chooser opens only then.
    if (!canFilm(this.#picture)) return undefined;
    if (this.#picture.camera.state !== "open") return void this.#picture.open();
    if (!this.#base || !this.#picture.canTake || this.#isFull()) return this.#render();
    navigator.vibrate?.(10);
    const ending = new AbortController();
    const recording = { id: randomId(), label: current, count: 0, waiting: 0, ending, isToggled };
    this.#change({ recording, note: "", undo: null, isUnfolded: false });
    this.#picture.setLive(false);
    const take = (frame) => this.#takeFrame(recording, frame);
    return recordFrames(this.#parts.video, () => this.#picture.region, take, ending.signal);
  }

  #takeFrame(recording, frame) {
    if (this.#picture.camera.state !== "open" || this.#isFull(recording.waiting + 1)) this.#stop();
    if (recording.ending.signal.aborted || recording.waiting >= MAX_WAITING) return false;
    recording.count++;
    recording.waiting++;
    this.#takePhoto(recording, frame);
    this.#render();
    return true;
  }

  async #takePhoto(recording, frame) {
    const { id, label } = recording;
    try {
      await this.#add({ label, recording: id }, await this.#base.takePhoto(frame));
    } catch (error) {
      this.#stop();
      this.#change({ note: phraseError(error) });
    }
    recording.waiting--;
    this.#training.soon();
  }

  #stop() {
    const { recording } = this.#state;
    if (!recording) return;
    recording.ending.abort();
    this.#change({ recording: null });
    this.#picture.setLive(true);
    this.#training.soon();
  }

  /** A tap on the picture takes one photo. */
  #takeOne() {
    if (this.#state.recording) return;
    this.#record();
    this.#stop();
  }

  /** Do something with the finished model. */
  async #finish(work) {
    try {
      const { project, taught } = this.#state;
      // It may have been renamed since it was trained.
      const manifest = { ...taught.manifest, title: project.title || taught.manifest.title };
      await work(await this.#base.addGolden({ ...taught, manifest }));
    } catch (error) {
      this.#change({ note: phraseError(error), screen: "teach" });
    }
  }

  /** Keep a model for the viewfinder, after its golden outputs were tested. */
  async #use(taught) {
    const model = await this.#base.attach(taught);
    model.close();
    await this.#kept.setModel(model.info.name, taught);
    this.#options.onUse(model.info.name);
  }

  /** Open a project in place of this one, or a model that is used right away. */
  async #openFile(file) {
    if (!file) return;
    try {
      await this.#loading;
      if (/\.loupe$/i.test(file.name)) {
        return await this.#use(await readLoupe(file));
      }
      const { photos, title, labels } = await readProject(file);
      if (this.#state.project.photos.length) {
        throw new LoupeError("invalid", "Save this project and clear it, then open the other one.");
      }
      await this.#edit({ title, labels });
      for (const [done, { photo, ...values }] of photos.entries()) {
        this.#change({ adding: { done, total: photos.length } });
        await this.#add(values, { photo, features: await this.#base.features(photo) });
      }
    } catch (error) {
      this.#change({ note: phraseError(error, "This file couldn’t be opened.") });
    }
    this.#change({ adding: null });
    this.#training.soon();
  }

  /** The menu: names, files, where the photos are, and how to remove them. */
  #openMenu() {
    const { isPersisted, project } = this.#state;
    const line = `The photos are in this browser, on this device: ${usedOf(project)}. No photo leaves it.`;
    const { onOpenFile, onRename, onSaveProject } = this.#on;
    openMenu(this.#parent, project.title || UNTITLED, `${line} ${mayVanish(isPersisted)}`.trim(), [
      ["Rename", "pen", onRename],
      ...(project.photos.length ? [["Save project", "box", onSaveProject]] : []),
      ["Open a file", "folder", onOpenFile],
      ...(project.labels.length ? [["Clear all", "trash", this.#on.onClear]] : []),
    ]);
  }

  async #clear() {
    this.#training.features.clear();
    this.#state.rows.clear();
    this.#change({ screen: "teach", undo: null, failures: [], note: "", outcome: null });
    await this.#store((store) => store.clear());
  }

  #change(values) {
    Object.assign(this.#state, values);
    this.#render();
  }

  #render() {
    if (this.#unmounting.signal.aborted) return;
    const { main, page, root, shutter } = this.#parts;
    const view = { ...this.#state, options: this.#options };
    const { screen } = view;
    const before = root.dataset.screen;
    root.dataset.layout = view.isDesk ? "desk" : "phone";
    root.dataset.screen = screen;
    root.style.setProperty("--above", this.#options.above);
    [main.hidden, page.hidden] = [screen !== "teach", screen === "teach"];
    renderTeach(this.#parts, view, this.#picture, this.#on);
    const create = screen === "photos" ? createPhotosPage : createDonePage;
    const { activeElement } = /** @type {Document} */ (root.getRootNode());
    const { photo } = /** @type {HTMLElement} */ (activeElement)?.dataset ?? {};
    page.replaceChildren(...(screen === "teach" ? [] : create(view, this.#on)));
    if (photo) page.querySelector(`[data-photo="${photo}"]`)?.focus();
    if (!before || before === screen) return;
    // The camera's answers stop on the other pages.
    this.#picture.follow();
    (screen === "teach" ? shutter : page.querySelector("button")).focus();
  }
}
