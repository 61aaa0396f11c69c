/** The project on this device: its photos, how they are kept, and the model that they make. */

import { LoupeError, phraseError } from "../engine/errors.mjs";
import { load } from "../loupe.mjs";
import { findConfusing, findNameFlaw, fromText, readLoupe } from "../teach/loupe_file.mjs";
import { nameOf, readProject, train } from "../teach/project.mjs";
import { FILE, MAX_BYTES, MAX_PHOTOS, openStore } from "../teach/store.mjs";
import { phraseAnswer } from "./phrasing.mjs";
import { randomId } from "../visit/recents.mjs";
import { isMadeHere } from "./teach_files.mjs";
import { count, outcomeOf } from "./teach_words.mjs";

/** Errors after which no photo can be added; and how many files that were left out are named. */
const [FULL, NAMED] = [["limit", "storage-full"], 3];
const ALONE = "Open a project or a model by itself.";
/** Photos have stopped changing. */
const AFTER_MS = 100;
const NO_WASM =
  "This browser has no WebAssembly, which runs the model. Open this page in another browser.";

/** Return what the project adds to the page's state. */
export const noProject = () => ({
  project: { title: "", labels: [], bytes: 0, photos: [] },
  isPersisted: false,
  /** How many of the files that were given have been added. */
  adding: null,
  /** What the last training said of the photos, its model, and that as the live picture asks it. */
  ...{ outcome: null, taught: null, live: liveOf(null) },
  /** What the last action did, as a phrase, and how to reverse it. */
  undo: null,
  /** Files that were left out, by label. */
  failures: [],
  note: "",
  device: { isReady: false, loaded: 0, total: 0, reason: null },
});

export class TeachProject {
  /** The promise of the base, which is null if it can't be loaded. */
  loading;
  opening;
  #state;
  #change;
  #signal;
  #base = null;
  #store = null;
  #hasAsked = false;
  #ending = new AbortController();
  /** Settles when nothing is being written. @type {Promise<unknown>} */
  #adding = Promise.resolve();
  #timer = null;
  #trainings = 0;

  /**
   * Changes the page's state by `change`, until `signal` is aborted. `address` is that of the
   * base's folder with `model.json`, or its promise; for `prefix` see `openStore`.
   */
  constructor(state, change, { address, prefix }, signal) {
    [this.#state, this.#change, this.#signal] = [state, change, signal];
    this.opening = this.#open(prefix);
    this.loading = this.#load(address);
    signal.addEventListener("abort", () => {
      clearTimeout(this.#timer);
      this.#base?.close();
      this.#store?.close();
    });
  }

  async #open(prefix) {
    if (!globalThis.WebAssembly) throw new LoupeError("engine-unavailable", NO_WASM);
    this.#store = await openStore({ prefix, onchange: () => this.sync() });
    // A visit before this one may have asked.
    this.#change({ isPersisted: (await navigator.storage?.persisted?.()) ?? false });
    await this.sync();
    return this.#store;
  }

  async #load(address) {
    const set = (changes) => this.#change({ device: { ...this.#state.device, ...changes } });
    try {
      const [found] = await Promise.all([address, this.opening]);
      const onProgress = (loaded, total) => set({ loaded, total });
      const base = await load(found, { onProgress, signal: this.#signal });
      this.#base = base;
      this.#change({ live: liveOf(base), note: "" });
      set({ isReady: true });
      this.train();
    } catch (error) {
      if (!this.#signal.aborted) set({ reason: phraseError(error) });
    }
    return this.#base;
  }

  /** Do something; where it fails, say why. */
  async try(work, otherwise) {
    try {
      return await work();
    } catch (error) {
      const isNew = error.code !== "stopped" && !this.#signal.aborted;
      if (isNew) this.#change({ note: phraseError(error, otherwise) });
      return undefined;
    }
  }

  /** Show what is kept, also by another tab. */
  async sync() {
    const project = await this.try(() => this.#store.read());
    if (project) this.#change({ project });
    this.train();
  }

  /** Change the project; `text` says what was done, for "Undo". */
  async edit(edit, text = null) {
    const reverse = await this.try(() => this.#store.edit(edit));
    if (reverse) this.#change({ undo: text && { text, reverse } });
    await this.sync();
  }

  async undo() {
    const { undo } = this.#state;
    // A second press must not reverse it again.
    this.#change({ undo: null, note: "" });
    const isReversed = await this.try(async () => {
      await undo?.reverse();
      return true;
    });
    if (!isReversed) this.#change({ undo: this.#state.undo ?? undo });
    await this.sync();
  }

  async clear() {
    this.#change({ undo: null, failures: [], note: "", outcome: null });
    await this.try(() => this.#store.clear());
    await this.sync();
  }

  /** Return whether there is no room for so many more photos. */
  isFull(more = 1) {
    const { bytes, photos } = this.#state.project;
    return photos.length + more > MAX_PHOTOS || bytes >= MAX_BYTES;
  }

  /**
   * Add a photo that a camera or a file shows, or one of a project that is small already; true once
   * it is kept, false if that was ended.
   */
  async take(values, picture, isSmall = false) {
    const { signal } = this.#ending;
    const taken = isSmall
      ? { photo: picture, features: await this.#base.features(picture) }
      : await this.#base.takePhoto(picture);
    if (signal.aborted) return false;
    const adding = this.#add(values, taken);
    this.#adding = Promise.allSettled([this.#adding, adding]);
    return adding;
  }

  /** End the adding of photos: nothing more is written until the next one is added. */
  async endAdding() {
    this.#ending.abort();
    this.#ending = new AbortController();
    await this.#adding;
  }

  async #add(values, { photo, features }) {
    const base = this.#base.info.features.sha256;
    const id = await this.#store.addPhoto({ ...values, photo, base, features });
    const { project } = this.#state;
    if (!project.labels.includes(values.label)) project.labels.push(values.label);
    // Another tab's change may have brought it already.
    if (!project.photos.some((one) => one.id === id)) {
      project.photos.push({ id, ...values, photo, base, features });
      project.bytes += photo.size + features.byteLength;
    }
    // Some browsers ask the visitor, once.
    if (!this.#hasAsked) this.#store.persist().then((isPersisted) => this.#change({ isPersisted }));
    this.#hasAsked = true;
    // Which label is recorded next is the visitor's choice.
    this.#change({ project });
    return true;
  }

  /** Add the photos of files; what can't be read is named and left out. */
  async addFiles(found) {
    const named = found.map((one) => ({ ...one, name: one.file.name }));
    await this.#addNamed(named, ({ file, label, recording }) => {
      if (isMadeHere(file)) throw new LoupeError("invalid", ALONE);
      const { labels } = this.#state.project;
      const flaw = labels.includes(label) ? "" : findNameFlaw(label, labels);
      if (flaw) throw new LoupeError("invalid", `Its label can't be used: ${flaw}.`);
      return this.take({ label, recording: `${FILE}${recording ?? randomId()}` }, file);
    });
  }

  /** Add photos, and say which ones were left out. */
  async #addNamed(photos, add) {
    const failures = [];
    let why = "";
    this.#change({ note: "", undo: null });
    const rest = await this.#addEach(photos, async (photo) => {
      try {
        return await add(photo);
      } catch (error) {
        const isFull = FULL.includes(error.code);
        if (isFull) why = ` ${phraseError(error)}`;
        else failures.push({ label: photo.label, text: leftOut(photo, error) });
        return !isFull;
      }
    });
    const texts = failures.slice(0, NAMED).map(({ text }) => text);
    if (failures.length > NAMED) texts.push(notAdded(failures.length - NAMED, "more file"));
    if (rest) texts.push(notAdded(rest, "photo") + why);
    const note = texts.join(" ");
    this.#change({ note, failures: [...this.#state.failures, ...failures] });
    await this.sync();
  }

  /** Add photos one by one, and say how far it is; return how many are left once that ends. */
  async #addEach(photos, add) {
    const { signal } = this.#ending;
    try {
      for (const [done, photo] of photos.entries()) {
        this.#change({ adding: { done, total: photos.length } });
        const mayAdd = (await this.loading) && !signal.aborted;
        if (!mayAdd || !(await add(photo))) return photos.length - done;
      }
      return 0;
    } finally {
      this.#change({ adding: null });
    }
  }

  /**
   * Open a project in place of an empty one, or a model that is used right away.
   *
   * @returns {Promise<{model: string, confusing: string[]} | undefined>} the model's name, and its
   *   labels that look alike or have invisible characters
   */
  async openFile(file) {
    if (!(await this.loading)) throw new LoupeError("no-such-model", this.#state.device.reason);
    if (/\.(loupe|txt)$/i.test(file.name)) {
      const taught = await readLoupe(/\.txt$/i.test(file.name) ? fromText(file) : file);
      return { model: await this.use(taught), confusing: findConfusing(taught.manifest.labels) };
    }
    const { photos, title, labels } = await readProject(file);
    if (this.#state.project.photos.length) {
      throw new LoupeError("invalid", "Save this project and clear it, then open the other one.");
    }
    await this.edit({ title, labels });
    const named = photos.map((one, at) => ({ ...one, name: nameOf(at) }));
    await this.#addNamed(named, ({ photo, label, recording }) =>
      this.take({ label, recording }, photo, true),
    );
    return undefined;
  }

  /** Return the finished model; it may have been renamed since it was trained. */
  async finish() {
    const { project, taught } = this.#state;
    const manifest = { ...taught.manifest, title: project.title || taught.manifest.title };
    return this.#base.addGolden({ ...taught, manifest });
  }

  /**
   * Keep a model for the viewfinder, after its golden outputs were tested; return its name. The
   * project has one there.
   */
  async use(taught, isOurs = false) {
    const model = await this.#base.attach(taught);
    model.close();
    // The base may have another name where the model was made.
    const { name, version } = this.#base.info;
    const base = { ...taught.manifest.base, name, version };
    const manifest = { ...taught.manifest, base };
    await this.#store.setModel(model.info.name, { ...taught, manifest }, isOurs);
    return model.info.name;
  }

  /** Train once the photos have stopped changing. */
  train() {
    // What is being trained is already outdated.
    this.#trainings++;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.try(() => this.#train()), AFTER_MS);
  }

  async #train() {
    const { adding, live, project, recording } = this.#state;
    if (!this.#base || adding || recording || this.#signal.aborted) return;
    const number = this.#trainings;
    const has = (label) => project.photos.some((photo) => photo.label === label);
    const labels = project.labels.filter(has);
    let changes = { outcome: null, taught: null, live: liveOf(this.#base) };
    if (labels.length > 1) {
      const photos = [...project.photos];
      const { taught, result } = await train(this.#base, this.#store, { ...project, photos });
      const model = await this.#base.attach(taught);
      const ids = photos.map(({ id }) => id);
      const outcome = outcomeOf(result, labels, ids);
      changes = { outcome, taught, live: liveOf(this.#base, model) };
    }
    if (number !== this.#trainings) return changes.live.close();
    this.#change(changes);
    return live.close();
  }
}

/** Return your model, if there is one, as the live picture asks it. See `Identifier`. */
const liveOf = (base, model = null) => ({
  recipe: base?.info.recipe ?? null,
  state: { device: model ? "ready" : "off" },
  close: () => model?.close(),
  async *watch(video, options) {
    for await (const prediction of model.watch(video, options)) {
      yield phraseAnswer(model.info, prediction);
    }
  },
});

const notAdded = (number, noun) =>
  `${count(number, noun)} ${number === 1 ? "was" : "were"} not added.`;

function leftOut({ name }, error) {
  if (error.code === "damaged") return `${name} is damaged and was left out.`;
  return `${name} was left out. ${phraseError(error, "It couldn’t be read.")}`;
}
