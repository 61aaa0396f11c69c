/**
 * The app's server where it has no HTTP routes: the same requests as `Server`, over Streamlit's
 * websocket.
 */

import { pause, untilAborted } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";
import { randomId } from "./recents.mjs";

/** Longest wait for a response, in milliseconds. */
const TIMEOUT_MS = 60_000;

export class SocketServer {
  #send;
  /** Resolvers of pending requests, by id. */
  #waiting = new Map();

  /** @param {{send: (request: object) => void}} options `send` runs the page's script */
  constructor({ send }) {
    this.#send = send;
  }

  /**
   * Take what the data of a run holds.
   *
   * @param {{responses: {id: string}[], send: (request: object) => void}} options
   */
  update({ responses, send }) {
    this.#send = send;
    for (const response of responses) this.#waiting.get(response.id)?.(response);
  }

  describe() {
    return this.#request("describe", {});
  }

  /**
   * @param {Blob} blob
   * @param {object} [options] see `Server.identify`
   * @returns {Promise<import("../types").Answer>}
   */
  async identify(blob, { signal, pixels, onProgress } = {}) {
    const photo = await toBase64(blob);
    const answering = this.#request("photo", { photo, ...pixels }, signal);
    if (!signal?.aborted) onProgress?.(blob.size, blob.size);
    return answering;
  }

  /**
   * @param {Blob} blob
   * @param {import("../types").Answer} answer
   * @param {{signal?: AbortSignal, pixels?: {version: string, packed: boolean}}} [options]
   * @returns {Promise<import("../types").OcclusionMap>}
   */
  async explain(blob, { token }, { signal, pixels } = {}) {
    const fields = { photo: await toBase64(blob), token, ...pixels };
    const { rows, columns, heat } = await this.#request("explanation", fields, signal);
    return { rows, columns, heat: Float32Array.from(heat) };
  }

  /**
   * @param {{answer: import("../types").Answer, labels: string[], photo?: Blob | null}} correction
   * @param {{signal?: AbortSignal}} [options]
   */
  async correct({ answer: { token }, labels, photo }, { signal } = {}) {
    const fields = { token, labels, photo: photo && (await toBase64(photo)) };
    return this.#request("correction", fields, signal);
  }

  /**
   * @param {string} name
   * @param {object} fields
   * @param {AbortSignal} [signal]
   */
  async #request(name, fields, signal) {
    signal?.throwIfAborted();
    const id = randomId();
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
    const stop = new AbortController();
    const lost = pause(TIMEOUT_MS, stop.signal).then(() => {
      throw new LoupeError("unreachable", "The server doesn't answer. Check the connection.");
    });
    lost.catch(() => {});
    this.#send({ id, name, ...fields });
    try {
      const { code, detail, body } = await untilAborted(Promise.race([answered, lost]), signal);
      if (code) throw new LoupeError(code, detail);
      return body;
    } finally {
      stop.abort();
      this.#waiting.delete(id);
    }
  }
}

function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^.*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
