/** The worker of a model: decodes, resizes, runs the model and tests it. */

import { checkModel, downloadAll, fetchGraph, fetchModel } from "./download.mjs";
import { LoupeError, messageOf } from "./errors.mjs";
import { predict, ranking, run, testGolden } from "./prediction.mjs";
import { decode, testPixels } from "./photo.mjs";
import { MAX_INFERENCES, occlusionMap } from "./occlusion.mjs";
import { openKernels } from "./kernels.mjs";
import * as packed from "./network.mjs";
import { pack, preprocess } from "./preprocess.mjs";
import { lacksKernels, openResizing } from "./resize.mjs";
// Requested with the others, not three round trips later.
import "./abort.mjs";
import "./geometry.mjs";
import "./network_steps.mjs";
import "./photo_file.mjs";
import "./rounding.mjs";

/** @type {Loaded | null} */
let loaded = null;
/**
 * The load in progress: a second call for the same model follows it.
 *
 * @type {{address: string, graph: string, followers: Set<Progress>, done: Promise<any>} | null}
 */
let loading = null;
/** Your models, by the number that the page gives them. @type {Map<number, Loaded>} */
const taughtModels = new Map();
/** The last outputs of the watched video. @type {{number: number, outputs: Output[]}} */
let watched = { number: 0, outputs: [] };

/** Counts explanations that were started or stopped; only the newest continues. */
let explanations = 0;

/** Whoever doesn't teach doesn't load this. */
const teaching = () => import("../teach/teaching.mjs");

/** @type {WorkerCalls} */
const calls = {
  ...{ load, identify, explain, canPrepare, prepare, chooseKernels },
  stopExplaining: async () => void explanations++,
  takePhoto: async (values) =>
    (await teaching()).takePhoto(requireLoaded(null, values.source), values),
  features: async (values) => (await teaching()).features(requireLoaded(), values),
  teach: async (project) => (await teaching()).teach(requireLoaded(), project),
  golden: async (values) => (await teaching()).golden(requireLoaded(), values),
  addTaught,
  dropTaught: async ({ number }) => void taughtModels.delete(number),
};

onmessage = async ({ data: { number, name, values } }) => {
  const call = calls[/** @type {keyof WorkerCalls} */ (name)];
  /** @type {Progress} */
  const onProgress = (...progress) => postMessage({ number, progress });
  try {
    postMessage({ number, result: await call(values, onProgress) });
  } catch (error) {
    const code = error instanceof LoupeError ? error.code : "engine-unavailable";
    postMessage({ number, error: { code, message: messageOf(error) } });
  }
};

/** @type {WorkerCalls["load"]} */
async function load(values, onProgress) {
  const { address, graph } = values;
  if (loaded?.address === address && loaded.graph === graph) return infoOf(loaded);
  if (loading?.address !== address || loading.graph !== graph) {
    /** @type {Set<Progress>} */
    const followers = new Set();
    const opening = open(values, (...progress) =>
      followers.forEach((follow) => follow(...progress)),
    );
    const done = opening.then((ready) => {
      if (loading?.done !== done) throw new LoupeError("stopped", "Another model was asked for.");
      loaded = ready;
      taughtModels.clear();
      return infoOf(ready);
    });
    loading = { address, graph, followers, done };
    const end = () => void (loading?.done === done && (loading = null));
    done.then(end, end);
  }
  loading.followers.add(onProgress);
  return loading.done;
}

/** @type {(values: Parameters<WorkerCalls["load"]>[0], onProgress: Progress) => Promise<Loaded>} */
async function open({ address, graph, kernels, model: known }, onProgress) {
  const testing = Promise.all([testPixels(), openResizing()]);
  testing.catch(() => {});
  const model = known ? checkModel(known, address) : await fetchModel(address);
  const entry = await fetchGraph(model, graph, address);
  await testing;
  // ONNX Runtime replaces kernels that are missing, if the app has it.
  const isPacked = entry.network && !(lacksKernels && model.runtime);
  // Fail before the download, with the reason.
  if (isPacked && lacksKernels) await openKernels();
  const engines = isPacked ? packed : await import("./onnx_session.mjs");
  const files = [entry.golden, ...engines.filesOf(entry, model)];
  const [goldenPixels, ...bytes] = await downloadAll(address, files, onProgress);
  /** @param {typeof kernels} [chosen] */
  const test = async (chosen) => {
    const engine = await engines.open(bytes, { address, model, kernels: chosen });
    const ready = { address, model, graph, engine, goldenPixels };
    await testGolden(ready);
    return ready;
  };
  // The choice of an earlier visit may not hold any more.
  return kernels === "kernels-relaxed" ? test(kernels).catch(() => test()) : test(kernels);
}

/** @type {WorkerCalls["chooseKernels"]} */
async function chooseKernels() {
  const ready = requireLoaded();
  const choose = ready.engine.chooseKernels;
  return choose ? choose((engine) => testGolden({ ...ready, engine })) : null;
}

/** @param {Loaded} ready */
function infoOf({ model: { graphs, runtime, ...info }, graph, engine }) {
  const { calibration, features } = graphs[graph];
  const calibrated = calibration !== null && !info.words.estimated;
  // The kernels alone can be chosen.
  const isPacked = Boolean(engine.chooseKernels);
  return { ...info, graph, calibrated, features: features ?? null, isPacked };
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
  throw new LoupeError("engine-unavailable", "The model isn’t loaded.");
}

/** Return whether this browser returns a photo's pixels unchanged, and can resize them. */
async function canPrepare() {
  const tests = Promise.all([testPixels(), openResizing()]);
  return tests.then(
    () => true,
    () => false,
  );
}

/** Return what a model takes of a photo, without the model. @type {WorkerCalls["prepare"]} */
async function prepare({ source, recipe, limits }) {
  const image = await decode(source, recipe, limits);
  const [, width] = recipe.crop ?? recipe.resize;
  return pack(await preprocess(image, recipe, { isFitted: true }), width);
}

/** @type {WorkerCalls["identify"]} */
async function identify({ source, top, region, stream, taught }) {
  const ready = requireLoaded(taught, source);
  const { model, graph } = ready;
  const started = performance.now();
  const image = await decode(source, model.recipe, model.limits, region);
  const decoded = performance.now();
  const pixels = await preprocess(image, model.recipe, { isFitted: true });
  const preprocessed = performance.now();
  const output = await run(ready, pixels);
  const finished = performance.now();
  const milliseconds = {
    ...{ decode: decoded - started, preprocess: preprocessed - decoded },
    ...{ engine: finished - preprocessed, total: finished - started },
  };
  return predict(model, graph, stream ? averaged(output, stream) : output, milliseconds, top);
}

/** @type {(output: Output, stream: NonNullable<FrameValues["stream"]>) => Output} */
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

/** Return the occlusion map of a photo's top label. @type {WorkerCalls["explain"]} */
async function explain({ source, seconds, taught }, onProgress) {
  const ready = requireLoaded(taught);
  const { recipe, limits } = ready.model;
  const turn = ++explanations;
  const image = await decode(source, recipe, limits);
  const pixels = await preprocess(image, recipe, { isFitted: true });
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
  const size = recipe.crop ?? recipe.resize;
  const map = await occlusionMap(pixels, size, probabilityOf, seconds, count);
  return { ...map, label: ready.model.labels[label] };
}

/** @type {WorkerCalls["addTaught"]} */
async function addTaught({ number, taught }) {
  const ready = await (await teaching()).attach(requireLoaded(), taught);
  taughtModels.set(number, ready);
  return infoOf(ready);
}
