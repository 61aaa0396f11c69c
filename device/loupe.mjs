/**
 * Loupe on the device: a model that runs in the browser and answers as the server does.
 *
 *     import { load } from "./loupe.mjs";
 *     const model = await load("models/clothing/");
 *     const prediction = await model.identify(blob);
 *     for await (const prediction of model.watch(video)) …
 *
 * All work is in one Worker. Nothing is sent anywhere: after loading there are no requests.
 */

import { pause, untilAborted, waitFor } from "./engine/abort.mjs";
import { LoupeError, messageOf } from "./engine/errors.mjs";
import { preferredKernels, rememberKernels, ModelWorker } from "./engine/model_worker.mjs";
import { DECODING } from "./engine/geometry.mjs";

export { LoupeError };

/** @typedef {ImageBitmap | HTMLCanvasElement | OffscreenCanvas | HTMLVideoElement} Picture */

/** The last number of a taught model or a video: models that share a worker share their numbers. */
let lastNumber = 0;

/**
 * Load a model and test it: the browser must return a photo's pixels unchanged, and the graph its
 * golden outputs.
 *
 * @param {string | URL} address of the folder with `model.json`, relative to the page; another
 *   origin must allow it by CORS
 * @param {object} [options]
 * @param {GraphName} [options.graph] the small one, by default, is a quarter of the download
 * @param {Progress} [options.onProgress] bytes so far
 * @param {AbortSignal} [options.signal] ends loading
 * @param {ModelWorker} [options.worker] the worker, by default a new one; it ends with the model
 * @param {TaughtModel} [options.taught] answers in place of the model, which is its base
 * @returns {Promise<Model>}
 * @throws {LoupeError} "unreachable", "no-such-model", "bundle-damaged", "bundle-too-new",
 *   "golden-mismatch" or "engine-unavailable", with the reason; or the signal's reason
 */
export async function load(address, options = {}) {
  const { graph = "small", onProgress, signal, worker, taught } = options;
  signal?.throwIfAborted();
  const { href } = folderUrl(address);
  const calls = worker ?? new ModelWorker();
  try {
    const values = { address: href, graph, kernels: preferredKernels() };
    const loading = calls.send("load", values, { onProgress });
    const base = new Model(calls, await untilAborted(loading, signal), () => calls.close());
    return taught ? await base.attach(taught, () => calls.close()) : base;
  } catch (error) {
    calls.close();
    throw error;
  }
}

/** @param {string | URL} address */
function folderUrl(address) {
  try {
    return new URL(String(address).replace(/\/?$/, "/"), document.baseURI);
  } catch {
    throw new LoupeError("no-such-model", `'${address}' is no address.`);
  }
}

/** A loaded model. `info` holds what `model.json` says: name, version, labels, language. */
class Model {
  #calls;
  #close;
  #taught;
  #isChosen = false;

  /**
   * @param {ModelWorker} calls
   * @param {ModelInfo} info
   * @param {() => void} close
   * @param {number | null} taught number of a taught model
   */
  constructor(calls, { graph, ...info }, close, taught = null) {
    this.#calls = calls;
    this.#close = close;
    this.#taught = taught;
    this.info = info;
    this.graph = graph;
  }

  /** Compare the kernels after the first answer; the worker does so unless they are known. */
  #chooseKernels() {
    if (this.#isChosen) return;
    this.#isChosen = true;
    this.#calls.send("chooseKernels", {}).then(rememberKernels, () => {});
  }

  /**
   * Identify a photo, or the frame that a video shows.
   *
   * @param {Blob | Picture} source stays usable
   * @param {object} [options]
   * @param {number} [options.top] number of candidates, 5 by default
   * @returns {Promise<Prediction>}
   * @throws {LoupeError} "empty", "too-large", "too-small", "too-many-pixels",
   *   "unsupported-format", "damaged", "invalid" for other arguments, or "engine-unavailable" if
   *   the worker has ended
   */
  async identify(source, { top = 5 } = {}) {
    if (!Number.isInteger(top) || top < 1) {
      throw new LoupeError("invalid", `top must be a whole number from 1, not ${top}.`);
    }
    const values = { top, taught: this.#taught };
    const moved = source instanceof Blob ? undefined : await copyOf(source);
    const given = { source: moved ?? /** @type {Blob} */ (source), ...values };
    const prediction = await this.#calls.send("identify", given, { moved });
    this.#chooseKernels();
    return prediction;
  }

  /**
   * Explain a photo's top label: cover one region after the other, and see how much depends on it.
   *
   * @param {Blob} source
   * @param {ExplainOptions & {seconds?: number}} [options] `seconds` are for a finer map; a coarse
   *   one is always completed
   * @returns {Promise<OcclusionMap>}
   * @throws {LoupeError} as `identify`, or the signal's reason
   */
  async explain(source, { seconds = 0.7, signal, onProgress } = {}) {
    if (!(source instanceof Blob)) throw new LoupeError("invalid", "explain takes a photo’s Blob.");
    signal?.throwIfAborted();
    const stop = () => this.#calls.send("stopExplaining", {}).catch(() => {});
    signal?.addEventListener("abort", stop);
    try {
      const values = { source, seconds, taught: this.#taught };
      return await this.#calls.send("explain", values, { onProgress });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * Identify the frames of a playing video: one at a time, and always the newest. While the video
   * is paused or the page hidden, nothing is done.
   *
   * @param {HTMLVideoElement} video
   * @param {object} [options]
   * @param {number} [options.top] number of candidates, 5 by default
   * @param {number} [options.maxPerSecond] 12 by default
   * @param {() => Region | undefined} [options.region] returns the part of the frame to identify,
   *   in the video's pixels; by default all of it
   * @param {number} [options.average] number of frames, 1 by default: a prediction is that of the
   *   mean of the last outputs
   * @param {AbortSignal} [options.signal]
   * @returns {AsyncGenerator<Prediction>} it ends when `signal` is aborted
   */
  async *watch(video, { top = 5, maxPerSecond = 12, region, average = 1, signal } = {}) {
    if (!(video instanceof HTMLVideoElement)) {
      throw new LoupeError("invalid", "watch takes a <video>; for a photo there is identify.");
    }
    const stream = { number: ++lastNumber, average };
    let next = 0;
    try {
      for (;;) {
        const early = next - performance.now();
        if (early > 0) await pause(early, signal);
        await nextFrame(video, signal);
        next = performance.now() + 1000 / maxPerSecond;
        // Asked first: a copied frame must reach the worker, which closes it.
        const values = { top, region: region?.(), stream, taught: this.#taught };
        const source = await copyOf(video);
        const prediction = await this.#calls.send(
          "identify",
          { source, ...values },
          { moved: source },
        );
        this.#chooseKernels();
        signal?.throwIfAborted();
        yield prediction;
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  /**
   * Make a photo for teaching: a small JPEG of the part that the model sees, and its features.
   *
   * @param {Blob | Picture} source stays usable
   * @param {{region?: Region}} [options] the part of a picture to take
   * @returns {Promise<TakenPhoto>}
   * @throws {LoupeError} as `identify`
   */
  async takePhoto(source, { region } = {}) {
    if (source instanceof Blob) return this.#calls.send("takePhoto", { source });
    const copy = await copyOf(source);
    return this.#calls.send("takePhoto", { source: copy, region }, { moved: copy });
  }

  /**
   * Return the features of a photo that `takePhoto` made, perhaps for another base.
   *
   * @type {TeachableModel["features"]}
   */
  async features(photo) {
    return this.#calls.send("features", { source: photo });
  }

  /**
   * Teach new labels. A live answer may come in between; a later call ends an earlier one.
   *
   * @type {TeachableModel["teach"]} photos in `result` are numbered as in `project.photos`
   * @throws {LoupeError} "invalid"; "stopped" if a later call came; "engine-unavailable"
   */
  async teach(project) {
    return this.#calls.send("teach", project);
  }

  /**
   * Return a taught model that answers in this one's worker; its `close` leaves the worker alone.
   * If it has golden outputs, it is tested first.
   *
   * @param {TaughtModel} taught
   * @param {() => void} [close]
   * @returns {Promise<Model>}
   * @throws {LoupeError} "bundle-damaged" if it was taught on another base; "golden-mismatch"
   */
  async attach(taught, close) {
    const number = ++lastNumber;
    const info = await this.#calls.send("addTaught", { number, taught });
    const drop = () => void this.#calls.send("dropTaught", { number }).catch(() => {});
    return new Model(this.#calls, info, close ?? drop, number);
  }

  /** Add golden outputs, without which it can't be saved. @type {TeachableModel["addGolden"]} */
  async addGolden({ manifest, head }) {
    const golden = await this.#calls.send("golden", { taught: { manifest, head } });
    return { manifest: { ...manifest, golden }, head };
  }

  /** End the worker and free its memory; later calls are refused. */
  close() {
    this.#close();
  }
}

/** Types of pictures; older browsers lack some. */
const PICTURES = [
  globalThis.ImageBitmap,
  globalThis.HTMLCanvasElement,
  globalThis.OffscreenCanvas,
  globalThis.HTMLVideoElement,
];

/** Return a copy of what a picture shows, to be moved to the worker. @param {Picture} source */
async function copyOf(source) {
  if (!PICTURES.some((type) => type && source instanceof type)) {
    throw new LoupeError("invalid", "Pass a Blob, an ImageBitmap, a canvas or a <video>.");
  }
  if (source instanceof HTMLVideoElement && source.readyState < source.HAVE_CURRENT_DATA) {
    throw new LoupeError("empty", "The video shows no frame yet. Wait until it plays.");
  }
  try {
    // A frame as it is: the worker converts its colours, not this thread.
    if (source instanceof HTMLVideoElement && "VideoFrame" in globalThis) {
      return new VideoFrame(source);
    }
    return await createImageBitmap(source, DECODING);
  } catch (error) {
    // Without pixels, closed, or tainted by a photo of another origin.
    throw new LoupeError("damaged", `The picture can’t be read: ${messageOf(error)}`);
  }
}

/** @type {(video: HTMLVideoElement, signal?: AbortSignal) => Promise<number>} */
function nextFrame(video, signal) {
  return waitFor((resolve) => {
    if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) {
      const request = requestAnimationFrame(resolve);
      return () => cancelAnimationFrame(request);
    }
    const request = video.requestVideoFrameCallback(resolve);
    return () => video.cancelVideoFrameCallback(request);
  }, signal);
}
