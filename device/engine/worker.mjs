/**
 * The worker of a model: decodes, resizes, runs the graph and tests it.
 */

/** @import { FrameValues, Output, Progress, WorkerCalls } from "../types" */
/** @import { Loaded } from "./inference.mjs" */

import { downloadAll, fetchModel, importRuntime } from "./download.mjs";
import { LoupeError, messageOf } from "./errors.mjs";
import { goldenOutputs, run, runGraph, testGolden } from "./inference.mjs";
import { decode, testPixels } from "./photo.mjs";
import { MAX_INFERENCES, occlusionMap } from "./occlusion.mjs";
import { predict, ranking } from "./prediction.mjs";
import { pack } from "./packing.mjs";
import { preprocess } from "./preprocess.mjs";
import { teach as teachHead } from "../teach/few_shot_head.mjs";
import { storedPhoto } from "../teach/stored_photo.mjs";
import { compareGolden, taughtConfig } from "../teach/taught_model.mjs";

/** Milliseconds of training after which other calls have a turn. */
const PAUSE_AFTER_MS = 20;

/** @type {Loaded | null} */
let loaded = null;
/**
 * Your models, by the number that the page gives them.
 *
 * @type {Map<number, Loaded>}
 */
const taughtModels = new Map();
/**
 * The last outputs of the video that is being watched.
 *
 * @type {{number: number, outputs: Output[]}}
 */
let watched = { number: 0, outputs: [] };

/** Counts explanations that were started or stopped; only the newest continues. */
let explanations = 0;

/** Counts trainings; only the newest continues. */
let trainings = 0;
/** @type {WorkerCalls} */
const calls = {
  ...{ load, identify, explain, stopExplaining, canPrepare, prepare },
  ...{ takePhoto, features, teach, addTaught, dropTaught, golden },
};

onmessage = async ({ data: { number, name, values } }) => {
  const call = calls[/** @type {keyof WorkerCalls} */ (name)];
  /** @type {Progress} */
  const onProgress = (done, total) => postMessage({ number, progress: [done, total] });
  try {
    postMessage({ number, result: await call(values, onProgress) });
  } catch (error) {
    const code = error instanceof LoupeError ? error.code : "engine-unavailable";
    postMessage({ number, error: { code, message: messageOf(error) } });
  }
};

/** @type {WorkerCalls["load"]} */
async function load({ address, graph }, onProgress) {
  const model = await fetchModel(address);
  const entry = Object.hasOwn(model.graphs, graph) ? model.graphs[graph] : null;
  if (!entry) throw new LoupeError("no-such-model", `${model.name} has no graph '${graph}'.`);
  await testPixels();
  const [wasm, bytes, golden] = await downloadAll(address, model, entry, onProgress);
  const ort = await importRuntime(new URL(model.runtime.module, address).href);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1;
  let session;
  try {
    session = await ort.InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      // The small graph's weights are widened once, at load.
      extra: { session: { disable_quant_qdq: "1" } },
    });
  } catch (error) {
    throw new LoupeError("bundle-damaged", `The graph can't be loaded: ${messageOf(error)}`);
  }
  const ready = { model, graph, ort, session };
  await testGolden(ready, entry.golden, golden);
  loaded = ready;
  taughtModels.clear();
  return infoOf(ready);
}

/** @param {Loaded} ready */
function infoOf({ model: { graphs, runtime, ...info }, graph }) {
  const { calibration, features } = graphs[graph];
  const calibrated = calibration !== null && !info.words.estimated;
  return { ...info, graph, calibrated, features: features ?? null };
}

/**
 * Return the loaded model, or a taught one by its number; without it, close the picture.
 *
 * @param {number | null} [taught]
 * @param {FrameValues["source"]} [source]
 * @throws {LoupeError} "engine-unavailable"
 */
function requireLoaded(taught = null, source) {
  const found = taught === null ? loaded : taughtModels.get(taught);
  if (found) return found;
  if (source && !(source instanceof Blob)) source.close();
  throw new LoupeError("engine-unavailable", "The model isn't loaded.");
}

/**
 * Return the loaded model as a base for teaching.
 *
 * @throws {LoupeError} "engine-unavailable"
 */
function requireBase() {
  const base = requireLoaded();
  const { features } = base.model.graphs[base.graph];
  if (!features) {
    throw new LoupeError("engine-unavailable", `${base.model.title} can't be taught new labels.`);
  }
  return { base, features };
}

/** Return whether this browser returns a photo's pixels unchanged. */
async function canPrepare() {
  return testPixels().then(
    () => true,
    () => false,
  );
}

/**
 * Return what a model takes of a photo, without the model.
 *
 * @type {WorkerCalls["prepare"]}
 */
async function prepare({ source, recipe, limits }) {
  const image = await decode(source, recipe, limits);
  const [, width] = recipe.crop ?? recipe.resize;
  return pack(preprocess(image, recipe, { isFitted: true }), width);
}

/** @type {WorkerCalls["identify"]} */
async function identify({ source, top, region, stream, taught }) {
  const ready = requireLoaded(taught, source);
  const { model, graph } = ready;
  const started = performance.now();
  const image = await decode(source, model.recipe, model.limits, region);
  const decoded = performance.now();
  const pixels = preprocess(image, model.recipe, { isFitted: true });
  const preprocessed = performance.now();
  const output = await run(ready, pixels);
  const finished = performance.now();
  const milliseconds = {
    decode: decoded - started,
    preprocess: preprocessed - decoded,
    engine: finished - preprocessed,
    total: finished - started,
  };
  return predict(model, graph, stream ? averaged(output, stream) : output, milliseconds, top);
}

/**
 * Return the mean of a video's last outputs, with this one.
 *
 * @param {Output} output
 * @param {NonNullable<FrameValues["stream"]>} stream
 * @returns {Output}
 */
function averaged(output, { number, average }) {
  if (watched.number !== number) watched = { number, outputs: [] };
  watched.outputs = [...watched.outputs, output].slice(-average);
  /** @param {(output: Output) => number} valueOf */
  const mean = (valueOf) =>
    watched.outputs.reduce((sum, one) => sum + valueOf(one), 0) / watched.outputs.length;
  return {
    probabilities: output.probabilities.map((_, label) => mean((one) => one.probabilities[label])),
    novelty: output.novelty === null ? null : mean((one) => one.novelty ?? 0),
  };
}

/**
 * Return the occlusion map of a photo's top label.
 *
 * @type {WorkerCalls["explain"]}
 */
async function explain({ source, seconds, taught }, onProgress) {
  const ready = requireLoaded(taught);
  const { recipe, limits } = ready.model;
  const turn = ++explanations;
  const image = await decode(source, recipe, limits);
  const pixels = preprocess(image, recipe, { isFitted: true });
  const [label] = ranking((await run(ready, pixels)).probabilities);
  /** @param {Uint8Array} covered */
  const probabilityOf = async (covered) => {
    // A photo may arrive, or this explanation be stopped, in between.
    await new Promise((resolve) => setTimeout(resolve));
    if (turn !== explanations) throw new LoupeError("stopped", "The explanation was stopped.");
    return (await run(ready, covered)).probabilities[label];
  };
  /** @param {number} done */
  const count = (done) => onProgress(done, MAX_INFERENCES);
  return occlusionMap(pixels, recipe.crop ?? recipe.resize, probabilityOf, seconds, count);
}

async function stopExplaining() {
  explanations++;
}

/** @type {WorkerCalls["takePhoto"]} */
async function takePhoto({ source, region }) {
  const { recipe, limits } = requireLoaded(null, source).model;
  const photo = await storedPhoto(await decode(source, recipe, limits, region), recipe);
  // Of the photo as it is kept, so that a project opened elsewhere makes the same model.
  return { photo, features: await features({ source: photo }) };
}

/** @type {WorkerCalls["features"]} */
async function features({ source }) {
  const { base } = requireBase();
  const { recipe, limits } = base.model;
  const image = await decode(source, recipe, limits);
  return (await runGraph(base, preprocess(image, recipe, { isFitted: true }))).features;
}

/** @type {WorkerCalls["teach"]} */
async function teach(values) {
  const { features } = requireBase();
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
  const { near_copy: nearCopy, fallback_cosine: fallbackCosine } = features;
  return teachHead({ ...values, nearCopy, fallbackCosine }, pause);
}

/** @type {WorkerCalls["addTaught"]} */
async function addTaught({ number, taught }) {
  const { base, features } = requireBase();
  const { name, features: wanted, size } = taught.manifest.base;
  if (wanted !== features.sha256 || size !== features.size) {
    throw new LoupeError(
      "bundle-damaged",
      `This model was taught on “${name}”, and “${base.model.name}” here sees photos in another ` +
        "way. Teach it again from its photos.",
    );
  }
  const { golden } = taught.manifest;
  if (golden) compareGolden(golden, await goldenOutputs(base, taught));
  const ready = { ...base, model: taughtConfig(base.model, taught), taught };
  taughtModels.set(number, ready);
  return infoOf(ready);
}

/** @type {WorkerCalls["golden"]} */
async function golden({ taught }) {
  return goldenOutputs(requireBase().base, taught);
}

/** @type {WorkerCalls["dropTaught"]} */
async function dropTaught({ number }) {
  taughtModels.delete(number);
}
