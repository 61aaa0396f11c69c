/**
 * Photos to teach, their labels and features, and taught models, in the visitor's own browser.
 *
 * Each photo is written when it arrives, in one transaction with the totals: a reload or a killed
 * tab loses nothing, and two tabs can add to one project.
 */

/** @import { NewPhoto, Project, ProjectEdit, ProjectPhoto, TaughtModel } from "../types" */

import { LoupeError } from "../engine/errors.mjs";
import { findTextFlaw, MAX_LABELS } from "./loupe_file.mjs";

export const MAX_PHOTOS = 500;
export const MAX_BYTES = 60 * 2 ** 20;

const STORES = ["project", "photos", "features", "models"];
const KEY = "project";

/**
 * Open what this browser keeps.
 *
 * @param {object} [options]
 * @param {string} [options.prefix] tells apps of one origin apart
 * @param {() => void} [options.onchange] is called after a change in another tab
 * @throws {LoupeError} "storage-failed"
 */
export async function openStore({ prefix = "", onchange } = {}) {
  const name = `loupe-teach:${prefix}`;
  try {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => STORES.map((one) => request.result.createObjectStore(one));
    const store = new Store(await resultOf(request), new BroadcastChannel(name), onchange);
    await store.sweep();
    return store;
  } catch (error) {
    throw phrase(error);
  }
}

/** What this browser keeps of one app; each method throws a `LoupeError` with a sentence. */
class Store {
  #database;
  #channel;

  /**
   * @param {IDBDatabase} database
   * @param {BroadcastChannel} channel
   * @param {() => void} [onchange]
   */
  constructor(database, channel, onchange) {
    this.#database = database;
    this.#channel = channel;
    channel.onmessage = () => onchange?.();
  }

  /**
   * Return the project and its photos, in the order in which they came.
   *
   * @returns {Promise<Project & {photos: ProjectPhoto[]}>}
   */
  read() {
    return this.#run("readonly", async ({ project, photos }) => {
      /** @type {ProjectPhoto[]} */
      const all = await resultOf(photos.getAll());
      const found = { ...(await readProject(project)) };
      // Another tab may have added to a label that this one removed.
      for (const { label } of all) addLabel(found, label);
      return { ...found, photos: all.sort((a, b) => a.order - b.order) };
    });
  }

  /**
   * Add a photo; a label that is new is added, too.
   *
   * @param {NewPhoto} values
   * @returns {Promise<string>} its id
   * @throws {LoupeError} "limit", "invalid" for the label, "storage-full" or "storage-failed"
   */
  addPhoto({ label, recording, photo, base, features }) {
    return this.#run("readwrite", async (stores) => {
      const project = await readProject(stores.project);
      const [id, order] = [randomId(), project.order + 1];
      const added = { id, label, recording, photo, order, bytes: photo.size + features.byteLength };
      stores.photos.put(added, id);
      stores.features.put(features, [id, base]);
      stores.project.put(check(tally({ ...project, order }, [added], 1)), KEY);
      return id;
    });
  }

  /**
   * Change the title, the labels and the label of photos in one step; the label null removes them.
   *
   * @param {ProjectEdit} edit
   * @returns {Promise<() => Promise<void>>} function that undoes it, until the page is left
   */
  edit({ title, labels, ids = [], label }) {
    return this.#run("readwrite", async (stores) => {
      const before = await readProject(stores.project);
      /** @type {(ProjectPhoto | undefined)[]} */
      const found = await Promise.all(ids.map((id) => resultOf(stores.photos.get(id))));
      const photos = found.filter((photo) => photo !== undefined);
      for (const photo of label === undefined ? [] : photos) {
        if (label === null) stores.photos.delete(photo.id);
        else stores.photos.put({ ...photo, label }, photo.id);
      }
      const changed = { ...before, title: title ?? before.title, labels: labels ?? before.labels };
      if (label) addLabel(changed, label);
      const after = check(label === null ? tally(changed, photos, -1) : changed);
      stores.project.put(after, KEY);
      return () => this.#restore(before, after, photos);
    });
  }

  /** @type {(before: Project, after: Project, photos: ProjectPhoto[]) => Promise<void>} */
  #restore(before, after, photos) {
    return this.#run("readwrite", async (stores) => {
      const now = await readProject(stores.project);
      const missing = [];
      for (const photo of photos) {
        if (!(await resultOf(stores.photos.getKey(photo.id)))) missing.push(photo);
        stores.photos.put(photo, photo.id);
      }
      // What another tab has changed since stays.
      const labels = before.labels.concat(now.labels.filter((one) => !after.labels.includes(one)));
      const title = now.title === after.title ? before.title : now.title;
      const restored = { ...now, title, labels: Array.from(new Set(labels)) };
      stores.project.put(check(tally(restored, missing, 1)), KEY);
    });
  }

  /**
   * Return the features of photos by id, for one base; some may be missing.
   *
   * @param {string} base hash of its features
   * @returns {Promise<Map<string, Float32Array>>}
   */
  features(base) {
    return this.#run("readonly", async ({ features }) => {
      const entries = await entriesOf(features);
      return new Map(entries.flatMap(([[id, of], value]) => (of === base ? [[id, value]] : [])));
    });
  }

  /** @type {(id: string, base: string, features: Float32Array) => Promise<void>} */
  setFeatures(id, base, features) {
    return this.#run("readwrite", async (stores) => void stores.features.put(features, [id, base]));
  }

  /** Delete the features of photos that were removed before the page was left. */
  sweep() {
    return this.#run("readwrite", async ({ photos, features }) => {
      const ids = new Set(await resultOf(photos.getAllKeys()));
      for (const key of await resultOf(features.getAllKeys())) {
        if (!ids.has(/** @type {string[]} */ (key)[0])) features.delete(key);
      }
    });
  }

  /** Delete the project. Models stay. */
  clear() {
    return this.#run("readwrite", async ({ project, photos, features }) => {
      for (const store of [project, photos, features]) store.clear();
    });
  }

  /**
   * Return the models that were saved on this device, by name.
   *
   * @returns {Promise<Map<string, TaughtModel>>}
   */
  models() {
    return this.#run("readonly", async ({ models }) => new Map(await entriesOf(models)));
  }

  /** @type {(name: string, taught: TaughtModel | null) => Promise<void>} */
  setModel(name, taught) {
    return this.#run("readwrite", async ({ models }) => {
      if (taught) models.put(taught, name);
      else models.delete(name);
    });
  }

  /** Ask the browser not to delete the photos by itself; true if it won't. */
  async persist() {
    return (await navigator.storage?.persist?.().catch(() => false)) ?? false;
  }

  close() {
    this.#channel.close();
    this.#database.close();
  }

  /**
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(stores: Record<string, IDBObjectStore>) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #run(mode, work) {
    try {
      const transaction = this.#database.transaction(STORES, mode);
      const finished = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      finished.catch(() => {});
      const stores = STORES.map((name) => [name, transaction.objectStore(name)]);
      const result = await work(Object.fromEntries(stores)).catch((error) => {
        if (!transaction.error) transaction.abort();
        throw transaction.error ?? error;
      });
      await finished;
      if (mode === "readwrite") this.#channel.postMessage("changed");
      return result;
    } catch (error) {
      throw phrase(error);
    }
  }
}

/** @type {(store: IDBObjectStore) => Promise<Project>} */
const readProject = async (store) =>
  (await resultOf(store.get(KEY))) ?? { title: "", labels: [], count: 0, bytes: 0, order: 0 };

/** @type {(project: Project, photos: ProjectPhoto[], sign: 1 | -1) => Project} */
function tally(project, photos, sign) {
  const bytes = photos.reduce((sum, photo) => sum + photo.bytes, 0);
  const changed = {
    ...project,
    count: project.count + sign * photos.length,
    bytes: project.bytes + sign * bytes,
  };
  if (sign > 0) for (const { label } of photos) addLabel(changed, label);
  return changed;
}

/** @type {(project: Project, label: string) => void} */
function addLabel(project, label) {
  if (!project.labels.includes(label)) project.labels = [...project.labels, label];
}

/**
 * @param {Project} project
 * @throws {LoupeError} "limit" or "invalid"
 */
function check(project) {
  const { title, labels, count, bytes } = project;
  if (count > MAX_PHOTOS) {
    throw new LoupeError("limit", `${MAX_PHOTOS} photos are the most. Remove some to add more.`);
  }
  if (bytes > MAX_BYTES) {
    throw new LoupeError("limit", "60 MB of photos are the most. Remove some to add more.");
  }
  if (labels.length > MAX_LABELS) {
    throw new LoupeError("limit", `${MAX_LABELS} labels are the most. Remove one to add another.`);
  }
  for (const text of title ? [title, ...labels] : labels) {
    const flaw = findTextFlaw(text);
    if (flaw) throw new LoupeError("invalid", `This name can't be used: ${flaw}.`);
  }
  return project;
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const resultOf = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @type {(store: IDBObjectStore) => Promise<[any, any][]>} */
async function entriesOf(store) {
  const [keys, values] = [resultOf(store.getAllKeys()), resultOf(store.getAll())];
  const found = await values;
  return (await keys).map((key, at) => [key, found[at]]);
}

/** Return a random id; `randomUUID` is missing on plain http. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {unknown} error */
function phrase(error) {
  if (error instanceof LoupeError) return error;
  if (error instanceof DOMException && error.name === "QuotaExceededError") {
    return new LoupeError(
      "storage-full",
      "This browser has no room left. Remove photos here, or the data of other sites.",
    );
  }
  return new LoupeError(
    "storage-failed",
    "This browser can't keep photos here. In a private window it may refuse: use an ordinary one.",
  );
}
