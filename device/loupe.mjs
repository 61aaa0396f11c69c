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

/** A photo or model that is refused; `code` is the server's, such as "too-large". */
export class LoupeError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "LoupeError";
    this.code = code;
  }
}

/**
 * Load a model and test it: the browser must return a photo's pixels unchanged, and the graph its
 * golden outputs.
 *
 * @param {string | URL} address of the folder with `model.json`, relative to the page
 * @param {object} [options]
 * @param {"small" | "full"} [options.graph] the small one, by default, is a quarter of the download
 * @param {(loaded: number, total: number) => void} [options.onProgress] bytes so far
 * @returns {Promise<Model>}
 * @throws {LoupeError} "no-such-model", "bundle-damaged", "golden-mismatch" or
 *   "engine-unavailable", with the reason
 */
export async function load(address, { graph = "small", onProgress } = {}) {
  const folder = new URL(String(address).replace(/\/?$/, "/"), document.baseURI);
  const worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
  const calls = new Calls(worker, onProgress);
  try {
    const info = await calls.send("load", { address: folder.href, graph });
    return new Model(calls, info);
  } catch (error) {
    worker.terminate();
    throw error;
  }
}

/** A loaded model. `info` holds what `model.json` says: name, version, labels, language. */
class Model {
  #calls;

  constructor(calls, { graph, ...info }) {
    this.#calls = calls;
    this.info = info;
    this.graph = graph;
  }

  /**
   * Identify a photo.
   *
   * @param {Blob | ImageBitmap | HTMLCanvasElement | OffscreenCanvas} source
   * @param {{top?: number}} [options] number of candidates, 5 by default
   * @returns {Promise<object>} the JSON that the command line prints
   * @throws {LoupeError} "empty", "too-large", "too-many-pixels", "unsupported-format", "damaged"
   */
  async identify(source, { top = 5 } = {}) {
    if (source instanceof Blob) return this.#calls.send("identify", { source, top });
    // A bitmap is moved to the worker, so that what the caller holds stays usable.
    const bitmap = await createImageBitmap(source, DECODING);
    return this.#calls.send("identify", { source: bitmap, top }, [bitmap]);
  }

  /**
   * Identify the frames of a playing video: one at a time, and always the newest.
   *
   * @param {HTMLVideoElement} video
   * @param {{top?: number, maxPerSecond?: number, signal?: AbortSignal}} [options]
   */
  async *watch(video, { top = 5, maxPerSecond = 10, signal } = {}) {
    while (!signal?.aborted) {
      const started = performance.now();
      await nextFrame(video, signal);
      if (signal?.aborted) return;
      yield await this.identify(video, { top });
      const pause = 1000 / maxPerSecond - (performance.now() - started);
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** End the worker and free its memory; later calls are refused. */
  close() {
    this.#calls.close();
  }
}

/** How photos are decoded: without colour management, as Pillow does. */
const DECODING = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/** Calls of a worker's functions, each answered by a message with its number. */
class Calls {
  #worker;
  #waiting = new Map();
  #last = 0;
  #closed = null;

  constructor(worker, onProgress) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (data.progress) return onProgress?.(...data.progress);
      const call = this.#waiting.get(data.number);
      this.#waiting.delete(data.number);
      if (data.error) call?.reject(new LoupeError(data.error.code, data.error.message));
      else call?.resolve(data.result);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new LoupeError("engine-unavailable", `The worker failed: ${event.message}`));
    };
  }

  send(name, values, transfer = []) {
    if (this.#closed) return Promise.reject(this.#closed);
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, name, values }, transfer);
    });
  }

  close() {
    this.#fail(new LoupeError("engine-unavailable", "The model was closed."));
  }

  #fail(error) {
    this.#closed = error;
    this.#worker.terminate();
    for (const call of this.#waiting.values()) call.reject(error);
    this.#waiting.clear();
  }
}

function nextFrame(video, signal) {
  return new Promise((resolve) => {
    signal?.addEventListener("abort", resolve, { once: true });
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}
