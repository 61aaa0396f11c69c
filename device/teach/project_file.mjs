/**
 * A project as one file: a zip with its photos and `project.json`, which has their labels and
 * recordings. As a stranger's file, it is checked before anything is used.
 */

import { isJpeg, isWhole, jpegHeader } from "../engine/photo_file.mjs";
import { areLabels, findTextFlaw } from "./loupe_file.mjs";
import { MAX_BYTES, MAX_PHOTOS } from "./store.mjs";
import { Flaw, openZip, parseJson, writeZip } from "./zip.mjs";

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
