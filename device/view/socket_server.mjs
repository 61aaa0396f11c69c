/**
 * The app's server where it has no HTTP routes: the same requests as `Server`, over Streamlit's
 * websocket.
 */

/** @import { ServerRequest, Transfer } from "./types" */

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

  /** See `Server.describe`. */
  describe() {
    return this.request("describe", {});
  }

  /**
   * Send a request, see `Server.request`.
   *
   * @param {"describe" | "photo" | "explanation" | "correction"} name
   * @param {ServerRequest} request
   * @param {Transfer} [transfer]
   * @returns {Promise<any>}
   */
  async request(name, { body, answer, labels, pixels }, { signal, onSent } = {}) {
    const photo = body && (await toBase64(body));
    signal?.throwIfAborted();
    const id = randomId();
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
    const stop = new AbortController();
    const lost = pause(TIMEOUT_MS, stop.signal).then(() => {
      throw new LoupeError("unreachable", "The server doesn’t answer. Check the connection.");
    });
    lost.catch(() => {});
    if (body) onSent?.(true);
    this.#send({ id, name, photo, token: answer?.token, labels, ...pixels });
    try {
      const response = await untilAborted(Promise.race([answered, lost]), signal);
      if (response.code) throw new LoupeError(response.code, response.detail);
      return response.body;
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
