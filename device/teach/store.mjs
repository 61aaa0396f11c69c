/**
 * Photos to teach, their labels and features, and taught models, in the visitor's own browser.
 *
 * Each photo is written when it arrives, in a transaction that checks the limits: a reload or a
 * killed tab loses nothing, and two tabs can add to one project.
 */

import { LoupeError } from "../engine/errors.mjs";
import { openDatabase, resultOf } from "../visit/database.mjs";
import { findTextFlaw, MAX_LABELS } from "./loupe_file.mjs";

export const MAX_PHOTOS = 500;
export const MAX_BYTES = 60 * 2 ** 20;
/** Begins the recordings of photos that came as files. */
export const FILE = "file-";

/** Browsers that decide by themselves whether to keep photos need less. */
const MOMENT_MS = 300;

const STORES = { project: {}, photos: {}, models: {} };
const KEY = "project";

/** @typedef {Pick<Project, "title" | "labels"> & {model?: string, versions?: string[]}} Names */
/** @typedef {import("../visit/database.mjs").Stores} Stores */

/**
 * Open what this browser keeps. `prefix` tells apps of one origin apart, and `onchange` is called
 * after a change in another tab, and after a lost connection was opened again.
 *
 * @param {{prefix?: string, onchange?: () => void}} [options]
 * @returns {Promise<ProjectStore>}
 * @throws {LoupeError} "storage-failed"
 */
export async function openStore({ prefix = "", onchange } = {}) {
  const name = `loupe-teach:${prefix}`;
  const { run, close } = await openDatabase(name, STORES, onchange).catch(refuse);
  const channel = new BroadcastChannel(name);
  channel.onmessage = () => onchange?.();

  /** @type {<T>(work: (stores: Stores) => Promise<T>) => Promise<T>} */
  const read = (work) => run("readonly", work).catch(refuse);

  /** @type {<T>(work: (stores: Stores) => Promise<T>) => Promise<T>} */
  const write = async (work) => {
    const result = await run("readwrite", work).catch(refuse);
    channel.postMessage("changed");
    return result;
  };

  /**
   * Change the project, unless it would be too large or have a name that can't be used.
   *
   * @type {<T>(work: (names: Names, photos: IDBObjectStore) => Promise<[Names, T]>) => Promise<T>}
   */
  const change = (work) =>
    write(async ({ project, photos }) => {
      const before = await readNames(project);
      const [names, result] = await work(before, photos);
      check(names, await resultOf(photos.getAllKeys()));
      project.put({ ...before, ...names }, KEY);
      return result;
    });

  /**
   * Undo an edit that gave photos another label or, with null, removed them. What another tab has
   * changed since stays.
   *
   * @type {(before: Names, after: Names, changed: ProjectPhoto[], label?: string | null) =>
   *   Promise<void>}
   */
  const undo = (before, after, changed, label) =>
    change(async (now, photos) => {
      for (const photo of changed) {
        const found = await resultOf(photos.get(photo.id));
        const isSame = (found?.label ?? null) === label;
        if (isSame) photos.put({ ...photo, ...found, label: photo.label }, photo.id);
      }
      const title = now.title === after.title ? before.title : now.title;
      const isKept = (/** @type {string} */ one) =>
        now.labels.includes(one) || !after.labels.includes(one);
      const others = now.labels.filter((one) => !after.labels.includes(one));
      return [{ title, labels: unite(before.labels.filter(isKept), others) }, undefined];
    });

  return {
    read: () =>
      read(async ({ project, photos: store }) => {
        const { title, labels } = await readNames(project);
        /** @type {ProjectPhoto[]} */
        const photos = await resultOf(store.getAll());
        const bytes = bytesOf(photos.map(({ id }) => id));
        // Another tab may have added to a label that this one removed.
        const theirs = photos.map(({ label }) => label);
        return { title, labels: unite(labels, theirs), photos, bytes };
      }),
    names: () => read(({ project }) => readNames(project)),
    addPhoto: (photo) =>
      change(async ({ title, labels }, photos) => {
        const last = (await resultOf(photos.getAllKeys())).at(-1);
        const id = newId(last, photo.photo.size + photo.features.byteLength);
        photos.put({ id, ...photo }, id);
        return [{ title, labels: unite(labels, [photo.label]) }, id];
      }),
    edit: ({ title, labels, ids = [], label }) =>
      change(async (before, photos) => {
        const found = await Promise.all(ids.map((id) => resultOf(photos.get(id))));
        const changed = label === undefined ? [] : found.filter(Boolean);
        for (const photo of changed) {
          if (label === null) photos.delete(photo.id);
          else photos.put({ ...photo, label }, photo.id);
        }
        const all = unite(labels ?? before.labels, label ? [label] : []);
        const after = { title: title ?? before.title, labels: all };
        return [after, () => undo(before, after, changed, label)];
      }),
    // Other tabs aren't told: two with different bases would take turns forever.
    setFeatures: (id, base, features) =>
      run("readwrite", async ({ photos }) => {
        const photo = await resultOf(photos.get(id));
        if (photo) photos.put({ ...photo, base, features }, id);
      }).catch(refuse),
    clear: () =>
      write(async ({ project, photos }) => {
        for (const store of [project, photos]) store.clear();
      }),
    models: () => read(async ({ models }) => new Map(await resultOf(models.getAll()))),
    setModel: (name, taught, isOurs = false) =>
      write(async ({ models, project }) => {
        if (isOurs) {
          const names = await readNames(project);
          if (names.model) models.delete(names.model);
          const versions = unite(names.versions ?? [], [name]);
          project.put({ ...names, model: name, versions }, KEY);
        }
        if (taught) models.put([name, taught], name);
        else models.delete(name);
      }),
    persist: () => {
      const asked = navigator.storage?.persist?.().catch(() => false);
      // Firefox asks the visitor, who may never answer.
      const moment = new Promise((resolve) => setTimeout(resolve, MOMENT_MS, false));
      return Promise.race([asked ?? false, moment]);
    },
    close: () => {
      channel.close();
      close();
    },
  };
}

/** @type {(project: IDBObjectStore) => Promise<Names>} */
const readNames = async (project) =>
  (await resultOf(project.get(KEY))) ?? { title: "", labels: [] };

/** @type {(labels: string[], more: string[]) => string[]} */
const unite = (labels, more) => Array.from(new Set([...labels, ...more]));

/**
 * Return the id of the next photo. It begins with the photo's number and bytes, so that the order
 * and the total are known without reading the photos.
 *
 * @type {(last: IDBValidKey | undefined, bytes: number) => string}
 */
function newId(last, bytes) {
  const number = String(parseInt(String(last ?? 0)) + 1).padStart(9, "0");
  return `${number}-${bytes}-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
}

/** @param {IDBValidKey[]} ids */
const bytesOf = (ids) =>
  ids.map((id) => Number(String(id).split("-")[1])).reduce((sum, bytes) => sum + bytes, 0);

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

/** @type {(error: unknown) => never} */
function refuse(error) {
  if (!(error instanceof DOMException)) throw error;
  throw error.name === "QuotaExceededError"
    ? new LoupeError(
        "storage-full",
        "This browser has no room left. Remove photos in Teach, or the data of other sites.",
      )
    : new LoupeError(
        "storage-failed",
        "This browser can't keep photos here. A private window may refuse: use an ordinary one.",
      );
}
