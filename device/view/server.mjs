/**
 * The app's own server, by HTTP: it identifies photos, explains answers and saves corrections for
 * the session whose token the page holds.
 */

import { pause } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";

/** Longest wait for a new token after the session's end, in milliseconds. */
const TOKEN_MS = 5000;

/** Longest time without progress until the server counts as unreachable, in milliseconds. */
const STALL_MS = 30_000;

/** Longest time for retries while the server is busy, in milliseconds. */
const BUSY_MS = 20_000;

const BUSY = new Set(["busy", "stopping"]);

export class Server {
  #options;
  /** Called with a new token. */
  #waiting = new Set();

  /**
   * @param {{url: string, token: string, model?: string, engine?: string, renew?: () => void}} options
   *   `url` ends in `api/session/`, relative to the page; `renew` is called when the session has
   *   ended, after a restart of the app, and leads to an `update` with a new token
   */
  constructor(options) {
    this.#options = options;
  }

  /** Use another token, model or engine from now on. */
  update(options) {
    this.#options = options;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /**
   * Describe the model: what its manifest says, with its version.
   *
   * @throws {LoupeError}
   */
  async describe() {
    const { model } = this.#options;
    const url = new URL(`../v1/models/${model}`, this.#base);
    const body = await fetch(url, { signal: AbortSignal.timeout(STALL_MS) })
      .then((response) => response.json())
      .catch(() => null);
    if (!body?.manifest) throw errorOf(0, body);
    return { ...body.manifest, version: body.version };
  }

  /**
   * Identify a photo.
   *
   * @param {Blob} blob
   * @param {object} [options]
   * @param {number} [options.top] number of candidates, 5 by default
   * @param {AbortSignal} [options.signal]
   * @param {(sent: number, total: number) => void} [options.onProgress] bytes so far
   * @param {{version: string, packed: boolean}} [options.pixels] of the blob, if it holds pixels
   * @returns {Promise<import("../types").Answer>} see `api/session.py`
   * @throws {LoupeError} with the code of the server's problem; "unreachable" without an answer
   */
  identify(blob, { top = 5, signal, onProgress, pixels } = {}) {
    const route = pixels ? "pixels" : "photo";
    return this.#send(route, { top, ...pixels }, blob, { signal, onProgress });
  }

  /**
   * Explain an answer to a photo.
   *
   * @param {Blob} blob
   * @param {import("../types").Answer} answer
   * @param {{signal?: AbortSignal, pixels?: {version: string, packed: boolean}}} [options]
   * @returns {Promise<import("../types").OcclusionMap>}
   */
  async explain(blob, answer, { signal, pixels } = {}) {
    const route = pixels ? "pixels/explanation" : "explanation";
    const values = { ...engineOf(answer), ...pixels };
    const { rows, columns, heat } = await this.#send(route, values, blob, { signal });
    return { rows, columns, heat: Float32Array.from(heat) };
  }

  /**
   * Save what a photo shows; return `{number}`, by which the owner can delete it.
   *
   * @param {{answer: import("../types").Answer, labels: string[], photo?: Blob | null}} correction
   *   with the photo only if the visitor agreed
   * @param {{signal?: AbortSignal}} [options]
   */
  correct({ answer, labels, photo }, { signal } = {}) {
    const form = new FormData();
    form.append("token", answer.token);
    for (const label of labels) form.append("label", label);
    if (photo) form.append("photo", photo, "photo");
    return this.#send("correction", engineOf(answer), form, { signal });
  }

  get #base() {
    return new URL(this.#options.url, document.baseURI);
  }

  /**
   * Send a body and return the response; retry while the server is busy or a token is due.
   *
   * @param {string} route
   * @param {Record<string, unknown>} values of the query; null and undefined are left out
   * @param {Blob | FormData} body
   * @param {{signal?: AbortSignal, onProgress?: (sent: number, total: number) => void}} options
   */
  async #send(route, values, body, { signal, onProgress }) {
    const started = performance.now();
    let hasRenewed = false;
    for (;;) {
      const { token, model, engine } = this.#options;
      const url = new URL(route, this.#base);
      for (const [name, value] of Object.entries({ model, engine, ...values })) {
        if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
      }
      const response = await post(url, body, { token, signal, onProgress });
      if (response.status < 300 && response.body) return response.body;
      const error = errorOf(response.status, response.body);
      // The random part keeps refused clients from all returning at the same time.
      const wait = 1000 * ((Number(response.retryAfter) || 1) + Math.random() / 2);
      if (error.code === "no-session" && !hasRenewed) {
        hasRenewed = true;
        await this.#newToken(token, signal);
      } else if (BUSY.has(error.code) && performance.now() - started + wait < BUSY_MS) {
        await pause(wait, signal);
      } else {
        throw error;
      }
    }
  }

  /** Wait for a new token, at most `TOKEN_MS`. */
  async #newToken(token, signal) {
    if (this.#options.token !== token) return;
    let resolve;
    const renewed = new Promise((done) => (resolve = done));
    this.#waiting.add(resolve);
    this.#options.renew?.();
    try {
      await Promise.race([renewed, pause(TOKEN_MS, signal)]);
    } finally {
      this.#waiting.delete(resolve);
    }
  }
}

/**
 * Return the model and engine that gave an answer; for a device's, the server's own engine.
 *
 * @param {import("../types").Answer} answer
 */
function engineOf({ prediction: { model, engine }, where }) {
  return where === "server" ? { model, engine } : { model, engine: null };
}

/** Return the error that a response means; proxies and other servers send no problem. */
function errorOf(status, body) {
  if (body?.code && body.code !== "not-found") return new LoupeError(body.code, body.detail);
  if (status === 413) {
    return new LoupeError(
      "too-large",
      "This file is too large for the server. Send a smaller one.",
    );
  }
  return new LoupeError("unreachable", "The server doesn't answer. Check the connection.");
}

/** Send a body by XMLHttpRequest, because `fetch` reports no progress of an upload. */
function post(url, body, { token, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    let timer = setTimeout(abort, STALL_MS);
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(abort, STALL_MS);
    };
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Loupe-Session", token);
    if (!(body instanceof FormData)) {
      request.setRequestHeader("Content-Type", "application/octet-stream");
    }
    request.upload.onprogress = ({ loaded, total }) => {
      restart();
      onProgress?.(loaded, total);
    };
    request.onprogress = restart;
    request.onabort = () => reject(signal?.aborted ? signal.reason : errorOf(0));
    request.onerror = () => reject(errorOf(0));
    request.onload = () =>
      resolve({
        status: request.status,
        body: request.response,
        retryAfter: request.getResponseHeader("Retry-After"),
      });
    request.onloadend = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}
