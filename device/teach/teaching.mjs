/** The worker's calls for teaching; the first one loads these modules. */

import { LoupeError } from "../engine/errors.mjs";
import { decode } from "../engine/photo.mjs";
import { preprocess } from "../engine/preprocess.mjs";
import { openResizing, resize } from "../engine/resize.mjs";
import { teach as teachHead } from "./few_shot_head.mjs";
import { MAX_CHARACTERS } from "./loupe_file.mjs";
import { applyHead, compareGolden, describe, draw } from "./taught_model.mjs";
import { outputOf, taughtConfig } from "./taught_model.mjs";

/** Milliseconds of training after which other calls have a turn. */
const PAUSE_AFTER_MS = 20;

/** Pixels on a kept photo's shorter side, unless the recipe needs more, and its quality. */
const [SIDE, QUALITY] = [320, 0.9];

/** Counts trainings; only the newest continues. */
let trainings = 0;

/**
 * @param {Loaded} base
 * @throws {LoupeError} "engine-unavailable"
 */
function featuresOf({ model, graph }) {
  const { features } = model.graphs[graph];
  if (features) return features;
  throw new LoupeError("engine-unavailable", `${model.title} can't be taught new labels.`);
}

/** @type {(base: Loaded, values: Pick<FrameValues, "source" | "region">) => Promise<TakenPhoto>} */
export async function takePhoto(base, { source, region }) {
  const { recipe, limits } = base.model;
  const photo = await toJpeg(await decode(source, recipe, limits, region), recipe);
  // Of the photo as it is kept, so that a project opened elsewhere makes the same model.
  return { photo, features: await features(base, { source: photo }) };
}

/** @type {(image: Image, recipe: Recipe) => Promise<Blob>} */
async function toJpeg(image, recipe) {
  const shorter = Math.min(image.width, image.height);
  const factor = Math.min(1, Math.max(SIDE, ...recipe.resize) / shorter);
  const [width, height] = [image.width, image.height].map((side) => Math.round(side * factor));
  await openResizing();
  const { data } = resize(image, width, height, "bicubic");
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(data, width), 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}

/** @type {(base: Loaded, values: {source: Blob}) => Promise<Float32Array>} */
export async function features(base, { source }) {
  featuresOf(base);
  const { recipe, limits } = base.model;
  const image = await decode(source, recipe, limits);
  return (await base.engine.run(await preprocess(image, recipe, { isFitted: true }))).features;
}

/** @type {(base: Loaded, project: ProjectToTeach) => Promise<{taught: TaughtModel, result: Taught}>} */
export async function teach(base, { title, labels, photos, language = "und" }) {
  const targets = photos.map(({ label }) => labels.indexOf(label));
  if (labels.length < 2 || !labels.every((_, label) => targets.includes(label))) {
    throw new LoupeError("invalid", "Give two labels at least one photo each.");
  }
  if (targets.includes(-1)) throw new LoupeError("invalid", "A photo has an unknown label.");
  const turn = ++trainings;
  let last = performance.now();
  const pause = async () => {
    if (performance.now() - last > PAUSE_AFTER_MS) {
      // A frame may be answered in between.
      await new Promise((resolve) => setTimeout(resolve));
      last = performance.now();
    }
    if (turn !== trainings) throw new LoupeError("stopped", "The photos have changed.");
  };
  const { sha256, size, ...cosines } = featuresOf(base);
  const values = {
    features: photos.map((photo) => photo.features),
    recordings: photos.map(({ recording }) => recording),
    ...{ targets, labels: labels.length, ...cosines },
  };
  const result = await teachHead(values, pause);
  const { name, version } = base.model;
  const all = Array.from(labels.join(", ")).slice(0, MAX_CHARACTERS).join("").trim();
  const about = { name, version, features: sha256, size };
  return {
    taught: describe(result, { title: title || all, language, labels, base: about }),
    result,
  };
}

/**
 * Return a taught model, ready to answer; if it has golden outputs, it is tested.
 *
 * @type {(base: Loaded, taught: TaughtModel) => Promise<Loaded>}
 * @throws {LoupeError} "bundle-damaged" or "golden-mismatch"
 */
export async function attach(base, taught) {
  const { base: wanted, golden: expected } = taught.manifest;
  const { sha256, size } = featuresOf(base);
  if (wanted.features !== sha256 || wanted.size !== size) {
    throw new LoupeError(
      "bundle-damaged",
      `This model was taught on “${wanted.name}”, and “${base.model.name}” here sees photos in ` +
        "another way. Teach it again from its photos.",
    );
  }
  if (expected) compareGolden(expected, await golden(base, { taught }));
  const model = taughtConfig(base.model, taught);
  return { ...base, model, answer: (features) => outputOf(taught, features) };
}

/**
 * Return a head's outputs for two drawn pictures: no photo is needed to test it elsewhere.
 *
 * @type {(base: Loaded, values: {taught: TaughtModel}) => Promise<LoupeGolden>}
 */
export async function golden(base, { taught }) {
  const { recipe } = base.model;
  const outputs = [];
  for (const number of [0, 1]) {
    const pixels = draw(number, ...(recipe.crop ?? recipe.resize));
    outputs.push(applyHead(taught.head, (await base.engine.run(pixels)).features));
  }
  const [logits, novelty] = [outputs.map((one) => one.logits), outputs.map((one) => one.novelty)];
  return { drawing: 1, logits, novelty };
}
