/**
 * The worker of a model, as seen from the page: it makes a model's pixels of photos right away, and
 * runs the model after `load`, by the kernels that are quicker in this version of the browser.
 */

import { LoupeError, messageOf } from "./errors.mjs";

/** @typedef {Record<"resolve" | "reject", (value: any) => void> & {onProgress?: Progress}} Call */

/** Calls the worker's functions; each result is a message with the call's number. */
export class ModelWorker {
  /** The worker that `start.mjs` began, until the page takes it. @type {ModelWorker | null} */
  static started = null;

  #worker;
  /** @type {Map<number, Call>} */
  #waiting = new Map();
  #last = 0;
  /** @type {Error | null} */
  #closed = null;

  /** @throws {LoupeError} "engine-unavailable"; calls also throw "unreachable" without its file */
  constructor({ isEarly = false } = {}) {
    this.isEarly = isEarly;
    this.#worker = startWorker(isEarly);
    this.#worker.onmessage = ({ data: { number, progress, error, result } }) => {
      const call = this.#waiting.get(number);
      if (progress) return call?.onProgress?.(.../** @type {Parameters<Progress>} */ (progress));
      this.#waiting.delete(number);
      if (error) call?.reject(new LoupeError(error.code, error.message));
      else call?.resolve(result);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const { message } = event;
      this.#fail(
        message
          ? new LoupeError("engine-unavailable", `The worker failed: ${message}`)
          : new LoupeError("unreachable", "The server doesn’t answer, so the model can’t start."),
      );
    };
  }

  /**
   * Call a function of the worker.
   *
   * @template {keyof WorkerCalls} Name
   * @param {Name} name
   * @param {Parameters<WorkerCalls[Name]>[0]} values
   * @param {object} [options]
   * @param {ImageBitmap | VideoFrame} [options.moved] the picture among the values: it is moved, or
   *   closed if that fails
   * @param {Progress} [options.onProgress]
   * @returns {ReturnType<WorkerCalls[Name]>}
   */
  send(name, values, { moved, onProgress } = {}) {
    const result = new Promise((resolve, reject) => {
      const number = ++this.#last;
      if (this.#closed) throw this.#closed;
      this.#worker.postMessage({ number, name, values }, moved ? [moved] : []);
      this.#waiting.set(number, { resolve, reject, onProgress });
    });
    result.catch(() => moved?.close());
    return /** @type {ReturnType<WorkerCalls[Name]>} */ (result);
  }

  get isClosed() {
    return this.#closed !== null;
  }

  close() {
    this.#fail(new LoupeError("engine-unavailable", "The model was closed."));
  }

  /** @param {LoupeError} error */
  #fail(error) {
    this.#closed = error;
    this.#worker.terminate();
    for (const call of this.#waiting.values()) call.reject(error);
    this.#waiting.clear();
  }
}

/**
 * Start the worker from its file, whose Content-Security-Policy applies to everything it runs.
 *
 * @param {boolean} isEarly true before a model is loaded: start from the modules in the page's
 *   first bundle if it has any; see `first/bundle.js`
 */
function startWorker(isEarly) {
  try {
    const early = isEarly ? globalThis.modelWorker : undefined;
    const address = early ?? new URL("worker.mjs", import.meta.url);
    return new Worker(address, { type: "module" });
  } catch (error) {
    // Browsers start workers only from the page's own origin.
    throw new LoupeError("engine-unavailable", `The worker can’t be started: ${messageOf(error)}`);
  }
}

const KEY = "loupe-kernels";

/** @returns {Binary | undefined} */
export function preferredKernels() {
  try {
    const { browser, kernels } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const isKnown = ["kernels", "kernels-relaxed"].includes(kernels);
    return isKnown && browser === navigator.userAgent ? kernels : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string | null} kernels */
export function rememberKernels(kernels) {
  try {
    if (!kernels) return;
    localStorage.setItem(KEY, JSON.stringify({ browser: navigator.userAgent, kernels }));
  } catch {
    // Where nothing can be stored, they are compared at each visit.
  }
}
