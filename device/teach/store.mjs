/**
 * Photos to teach, their labels and features, and taught models, in the visitor's own browser.
 *
 * Each photo is written when it arrives, in a transaction that checks the limits: a reload or a
 * killed tab loses nothing, and two tabs can add to one project.
 */

/** @import { Project, ProjectEdit, ProjectPhoto, TaughtModel } from "../types" */

import { LoupeError } from "../engine/errors.mjs";
import { sumOf } from "./few_shot_head.mjs";
import { findTextFlaw, MAX_LABELS } from "./loupe_file.mjs";

export const MAX_PHOTOS = 500;
export const MAX_BYTES = 60 * 2 ** 20;

/** Browsers that decide by themselves need less. */
const MOMENT_MS = 300;

const STORES = ["project", "photos", "models"];
const KEY = "project";

/** @typedef {Pick<Project, "title" | "labels">} Names */
/** @typedef {Record<string, IDBObjectStore>} Stores */

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
    const channel = new BroadcastChannel(name);
    channel.onmessage = () => onchange?.();
    return new Store(await resultOf(request), channel);
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
   * @param {BroadcastChannel} channel tells other tabs
   */
  constructor(database, channel) {
    this.#database = database;
    this.#channel = channel;
  }

  /**
   * Return the project and its photos, in the order in which they came.
   *
   * @returns {Promise<Project>}
   */
  read() {
    return this.#run("readonly", async (stores) => {
      const { title, labels } = await readNames(stores);
      /** @type {ProjectPhoto[]} */
      const photos = await resultOf(stores.photos.getAll());
      // Another tab may have added to a label that this one removed.
      const [theirs, ids] = [photos.map(({ label }) => label), photos.map(({ id }) => id)];
      return { title, labels: unite(labels, theirs), photos, bytes: bytesOf(ids) };
    });
  }

  /**
   * Add a photo; a label that is new is added, too.
   *
   * @param {Omit<ProjectPhoto, "id">} photo
   * @returns {Promise<string>} its id
   * @throws {LoupeError} "limit", "invalid" for the label, "storage-full" or "storage-failed"
   */
  addPhoto(photo) {
    return this.#change(async ({ title, labels }, { photos }) => {
      const last = (await resultOf(photos.getAllKeys())).at(-1);
      const id = newId(last, photo.photo.size + photo.features.byteLength);
      photos.put({ id, ...photo }, id);
      return [{ title, labels: unite(labels, [photo.label]) }, id];
    });
  }

  /**
   * Change the title, the labels and the label of photos in one step; the label null removes them.
   *
   * @param {ProjectEdit} edit
   * @returns {Promise<() => Promise<void>>} function that undoes it, until the page is left
   */
  edit({ title, labels, ids = [], label }) {
    return this.#change(async (before, { photos }) => {
      /** @type {ProjectPhoto[]} */
      const found = (await Promise.all(ids.map((id) => resultOf(photos.get(id))))).filter(Boolean);
      for (const photo of label === undefined ? [] : found) {
        if (label === null) photos.delete(photo.id);
        else photos.put({ ...photo, label }, photo.id);
      }
      const all = unite(labels ?? before.labels, label ? [label] : []);
      const after = { title: title ?? before.title, labels: all };
      return [after, () => this.#restore(before, after, found)];
    });
  }

  /** @type {(before: Names, after: Names, removed: ProjectPhoto[]) => Promise<void>} */
  #restore(before, after, removed) {
    return this.#change(async (now, { photos }) => {
      for (const photo of removed) photos.put(photo, photo.id);
      // What another tab has changed since stays.
      const title = now.title === after.title ? before.title : now.title;
      const others = now.labels.filter((one) => !after.labels.includes(one));
      return [{ title, labels: unite(before.labels, others) }, undefined];
    });
  }

  /**
   * Return the features of photos by id, for one base; some may be missing.
   *
   * @param {string} base hash of its features
   */
  async features(base) {
    const { photos } = await this.read();
    return new Map(photos.flatMap((one) => (one.base === base ? [[one.id, one.features]] : [])));
  }

  /** @type {(id: string, base: string, features: Float32Array) => Promise<void>} */
  setFeatures(id, base, features) {
    return this.#run("readwrite", async ({ photos }) => {
      const photo = await resultOf(photos.get(id));
      if (photo) photos.put({ ...photo, base, features }, id);
    });
  }

  /** Delete the project. Models stay. */
  clear() {
    return this.#run("readwrite", async ({ project, photos }) => {
      for (const store of [project, photos]) store.clear();
    });
  }

  /**
   * Return the models that were saved on this device, by name.
   *
   * @returns {Promise<Map<string, TaughtModel>>}
   */
  models() {
    return this.#run("readonly", async ({ models }) => new Map(await resultOf(models.getAll())));
  }

  /** @type {(name: string, taught: TaughtModel | null) => Promise<void>} */
  setModel(name, taught) {
    return this.#run("readwrite", async ({ models }) => {
      if (taught) models.put([name, taught], name);
      else models.delete(name);
    });
  }

  /** Ask the browser not to delete the photos by itself; true if it has agreed within a moment. */
  async persist() {
    const asked = navigator.storage?.persist?.().catch(() => false);
    // Firefox asks the visitor, who may never answer.
    return Promise.race([asked ?? false, new Promise((end) => setTimeout(end, MOMENT_MS, false))]);
  }

  close() {
    this.#channel.close();
    this.#database.close();
  }

  /**
   * Change the project, unless it would be too large or have a name that can't be used.
   *
   * @template T
   * @param {(names: Names, stores: Stores) => Promise<[Names, T]>} work
   */
  #change(work) {
    return this.#run("readwrite", async (stores) => {
      const [names, result] = await work(await readNames(stores), stores);
      check(names, await resultOf(stores.photos.getAllKeys()));
      stores.project.put(names, KEY);
      return result;
    });
  }

  /**
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(stores: Stores) => Promise<T>} work
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

/** @type {(stores: Stores) => Promise<Names>} */
const readNames = async ({ project }) =>
  (await resultOf(project.get(KEY))) ?? { title: "", labels: [] };

/** @type {(labels: string[], more: string[]) => string[]} */
const unite = (labels, more) => Array.from(new Set([...labels, ...more]));

/**
 * Return the id of the next photo. It begins with the photo's number and bytes, so that the order
 * and the total are known without reading the photos.
 *
 * @param {IDBValidKey | undefined} last
 * @param {number} bytes
 */
function newId(last, bytes) {
  const number = String(parseInt(String(last ?? 0)) + 1).padStart(9, "0");
  return `${number}-${bytes}-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
}

/** @param {IDBValidKey[]} ids */
const bytesOf = (ids) => sumOf(ids.map((id) => Number(String(id).split("-")[1])));

/**
 * @type {(names: Names, ids: IDBValidKey[]) => void}
 * @throws {LoupeError} "limit" or "invalid"
 */
function check({ title, labels }, ids) {
  /** @type {[boolean, string, string][]} */
  const limits = [
    [ids.length > MAX_PHOTOS, `${MAX_PHOTOS} photos`, "Remove some to add more."],
    [bytesOf(ids) > MAX_BYTES, "60 MB of photos", "Remove some to add more."],
    [labels.length > MAX_LABELS, `${MAX_LABELS} labels`, "Remove one to add another."],
  ];
  for (const [isOver, most, what] of limits) {
    if (isOver) throw new LoupeError("limit", `${most} are the most. ${what}`);
  }
  const flaw = [title || "x", ...labels].map(findTextFlaw).find(Boolean);
  if (flaw) throw new LoupeError("invalid", `This name can't be used: ${flaw}.`);
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
