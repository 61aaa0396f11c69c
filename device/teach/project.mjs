/**
 * A project as one file, a zip with its photos and `project.json`, which has their labels and
 * recordings; as a stranger's file, it is checked before anything is used. And the model of the
 * project in this browser: trained on its photos, and again when one is added.
 */

import { isJpeg, isWhole, jpegHeader } from "../engine/photo_file.mjs";
import { areLabels, findTextFlaw, findNameFlaw } from "./loupe_file.mjs";
import { MAX_BYTES, MAX_PHOTOS, FILE } from "./store.mjs";
import { Flaw, openZip, parseJson, writeZip } from "./zip.mjs";
import { LoupeError } from "../engine/errors.mjs";

const LIST = "project.json";
/** A photo as it is kept is smaller; a larger one would cost the page its memory. */
const MAX_PIXELS = 4e6;
/** The list and the zip itself need room beside the photos. */
const OPTIONS = {
  ...{ bytes: MAX_BYTES + 2 ** 20, files: MAX_PHOTOS + 1, begin: "This project can't be opened" },
  end: "Save it again where it was made.",
};

/** @type {(at: number) => string} */
export const nameOf = (at) => `photos/${String(at + 1).padStart(3, "0")}.jpg`;

/** @typedef {Pick<ProjectPhoto, "label" | "recording" | "photo">} Photo */
/** @typedef {Pick<Project, "title" | "labels"> & {photos: Photo[]}} SavedProject */

/** @param {SavedProject} project */
export async function writeProject({ title, labels, photos }) {
  const list = {
    format: 1,
    title,
    labels,
    photos: photos.map(({ label, recording }) => ({ label: labels.indexOf(label), recording })),
  };
  /** @type {[string, Uint8Array<ArrayBuffer>][]} */
  const files = [[LIST, new TextEncoder().encode(JSON.stringify(list, null, 1))]];
  for (const [at, { photo }] of photos.entries()) {
    files.push([nameOf(at), new Uint8Array(await photo.arrayBuffer())]);
  }
  return writeZip(files);
}

/**
 * @type {(file: Blob) => Promise<SavedProject>}
 * @throws {LoupeError} "export-refused"
 */
export function readProject(file) {
  return openZip(file, OPTIONS, (files) => {
    const { format, title, labels, photos } = Object(parseJson(files.get(LIST), LIST));
    const isRight =
      format === 1 &&
      (title === "" || !findTextFlaw(title)) &&
      areLabels(labels) &&
      Array.isArray(photos) &&
      photos.length <= MAX_PHOTOS &&
      photos.every(
        (photo) =>
          labels[photo?.label] && Number.isInteger(photo.label) && !findTextFlaw(photo.recording),
      );
    if (!isRight) throw new Flaw(`its ${LIST} isn't valid`);
    if (files.size !== photos.length + 1) throw new Flaw("it has photos that it doesn't list");
    return {
      title,
      labels,
      photos: photos.map(({ label, recording }, at) => {
        const photo = photoOf(files, nameOf(at));
        return { label: labels[label], recording, photo };
      }),
    };
  });
}

/** @type {(files: Map<string, Uint8Array<ArrayBuffer>>, name: string) => Blob} */
function photoOf(files, name) {
  const bytes = files.get(name);
  const { width, height } = bytes ? jpegHeader(bytes) : { width: 0, height: 0 };
  const isSmall = width * height > 0 && width * height <= MAX_PIXELS;
  if (!bytes || !isJpeg(bytes) || !isWhole(bytes) || !isSmall) {
    throw new Flaw(`${name} is no whole, small JPEG`);
  }
  return new Blob([bytes], { type: "image/jpeg" });
}

/** @type {TrainProject} */
export async function train(base, store, { title, labels, photos }) {
  const { sha256 } = base.info.features;
  for (const photo of photos.filter((one) => one.base !== sha256)) {
    const features = await base.features(photo.photo);
    await store.setFeatures(photo.id, sha256, features);
    Object.assign(photo, { base: sha256, features });
  }
  const named = new Set(photos.map(({ label }) => label));
  return base.teach({ title, labels: labels.filter((label) => named.has(label)), photos });
}

/** @type {(base: TeachableModel, store: ProjectStore, signal?: AbortSignal) => Promise<string>} */
async function replaceModel(base, store, signal) {
  const { taught } = await train(base, store, await store.read());
  const [attached, complete] = [await base.attach(taught), await base.addGolden(taught)];
  attached.close();
  signal?.throwIfAborted();
  await store.setModel(attached.info.name, complete, true);
  return attached.info.name;
}

/** @type {AddPhoto} */
export async function addPhoto(base, store, { id, photo, label, signal }) {
  const [{ labels, photos }, { model = "" }] = [await store.read(), await store.names()];
  const former = (await store.models()).get(model) ?? null;
  const isNew = !labels.includes(label);
  const flaw = isNew && findNameFlaw(label, labels);
  if (flaw) throw new LoupeError("invalid", `This name can’t be used: ${flaw}.`);
  const values = { label, recording: `${FILE}${id}`, base: base.info.features.sha256 };
  const present = photos.find(({ recording }) => recording === values.recording);
  const added = present?.id ?? store.addPhoto({ ...values, ...(await base.takePhoto(photo)) });
  const ids = [await added];
  if (present) await store.edit({ ids, label });
  const reverse = async (/** @type {ProjectStore} */ now) => {
    const { labels: all, photos: kept } = await now.read();
    const names = all.filter((one) => !isNew || one !== label);
    // Another tab may have moved it since.
    const own = kept.filter((one) => one.id === ids[0] && one.label === label);
    await now.edit({ labels: names, ids: own.map((one) => one.id), label: present?.label ?? null });
  };
  const name = await replaceModel(base, store, signal).catch(async (error) => {
    await reverse(store);
    throw error;
  });
  const count = photos.filter((one) => one !== present && one.label === label).length + 1;
  return {
    text: `Added to ${label}: ${count} photo${count === 1 ? "" : "s"}`,
    undo: async (later, now) => {
      await reverse(now);
      // Another tab may have trained it since.
      if ((await now.names()).model !== name) await replaceModel(later, now);
      else await now.setModel(model, former, true);
    },
  };
}
