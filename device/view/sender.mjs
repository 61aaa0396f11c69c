/**
 * The part of a photo that leaves the device when the server answers: the pixels that the model
 * takes, made here, or the file.
 */

/** @import { Answer, Limits, OcclusionMap, Recipe, Sending } from "../types" */

import { untilAborted } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";

/** First bytes of what the server reads and not every browser: HEIC, AVIF and TIFF, as text. */
const SERVER_FORMATS = /^(.{4}ftyp(he[iv][cxms]|avi[fs]|m[is]f1)|II[*+]\0|MM\0[*+])/s;

/** Time of the quickest of the page's files, in milliseconds, at which the server counts as near. */
const NEAR_MS = 30;

/** Results of a measurement and a test, null until known; they hold for the visit. */
let isServerNear = null;
let canPrepare = null;

/**
 * @typedef {{version: string, recipe: Recipe}} Described
 * @typedef {import("../engine/model_worker.mjs").ModelWorker} ModelWorker
 */

export class Sender {
  /**
   * "pixels", "file", or null until that is known; it never changes afterwards, so that what the
   * page says before a photo is true.
   *
   * @type {Sending | null}
   */
  kind = null;
  #server;
  #options;
  /** Settles once `kind` is known. */
  #deciding = null;

  /**
   * @param {import("./server.mjs").Server | import("./socket_server.mjs").SocketServer} server
   * @param {object} options
   * @param {Limits | null} options.limits of photos; without them, files are sent
   * @param {() => ModelWorker} options.worker returns the present one
   * @param {(isChanged?: boolean) => Promise<Described | null>} options.describe asks again if the
   *   version has changed
   */
  constructor(server, options) {
    this.#server = server;
    this.#options = options;
  }

  /** Find out what will be sent. */
  decide() {
    this.#deciding ??= this.#decide();
    return this.#deciding;
  }

  /** Have the server identify a photo; see `Identifier.identify`. */
  async identify(blob, { ask, top = 5, signal }) {
    const identify = (body, pixels = undefined) => {
      let sent;
      const onSent = () => {
        sent = { kind: pixels ? "pixels" : "file", bytes: body.size };
      };
      const request = { body, pixels, top };
      const answering = this.#server.request("photo", request, { signal, onSent });
      return noteSent(() => sent, answering);
    };
    if ((await untilAborted(this.decide(), signal)) === "file") return identify(blob);
    try {
      return await this.#sendPixels(blob, identify, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const isUnread = error.sent === undefined && (await mayServerRead(blob, error));
      if (!isUnread || !(await ask?.(error))) throw error;
      signal?.throwIfAborted();
      return identify(blob);
    }
  }

  /** Have the server explain its answer, from the pixels or the file that it got for it. */
  async explain(blob, answer, { signal }) {
    const isFile = answer.sent?.kind !== "pixels";
    const { recipe, prediction } = answer;
    const described = { recipe, version: prediction.version };
    const sent = isFile ? { body: blob } : await this.#prepare(blob, described);
    const request = { ...sent, answer };
    const map = await this.#server.request("explanation", request, { signal });
    return { ...map, heat: Float32Array.from(map.heat) };
  }

  async #decide() {
    isServerNear ??= measureNearness();
    const mayPrepare = !isServerNear && this.#options.limits;
    // Unknown if its worker ended.
    if (mayPrepare) canPrepare ??= await this.#call("canPrepare", {}).catch(() => null);
    this.kind = mayPrepare && canPrepare ? "pixels" : "file";
    return this.kind;
  }

  /** Call the worker, or a new one if it ended because a model couldn't be loaded. */
  async #call(name, values) {
    const worker = this.#options.worker();
    try {
      return await worker.send(name, values);
    } catch (error) {
      if (!worker.isClosed) throw error;
      return this.#options.worker().send(name, values);
    }
  }

  async #sendPixels(blob, identify, signal, isChanged = false) {
    const described = await untilAborted(this.#options.describe(isChanged), signal);
    if (!described) throw new LoupeError("unreachable", "The server doesn’t answer. Try again.");
    const { body, pixels } = await this.#prepare(blob, described);
    try {
      return await identify(body, pixels);
    } catch (error) {
      if (error.code !== "other-version" || isChanged) throw error;
      return this.#sendPixels(blob, identify, signal, true);
    }
  }

  async #prepare(blob, { version, recipe }) {
    const values = { source: blob, recipe, limits: this.#options.limits };
    const { bytes, packed } = await this.#call("prepare", values);
    return { body: new Blob([bytes]), pixels: { version, packed } };
  }
}

/** Return whether the server may read a file that this device refused with an error. */
export async function mayServerRead(file, { code }) {
  if (code !== "unsupported-format") return code === "engine-unavailable";
  const start = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return SERVER_FORMATS.test(String.fromCharCode(...start));
}

/** Note with an answer, or with an error, what `getSent` then says was sent for it. */
export async function noteSent(getSent, answering) {
  try {
    const answer = await answering;
    return { ...answer, sent: getSent() };
  } catch (error) {
    throw Object.assign(error, { sent: getSent() });
  }
}

/**
 * Return whether the server is on this machine and answers quickly: then its decoder is quicker than
 * making pixels here. A tunnel to another machine also has an address of this one.
 */
function measureNearness() {
  const { hostname, origin } = location;
  if (!/^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return false;
  const entries = /** @type {PerformanceResourceTiming[]} */ (
    performance.getEntriesByType("resource")
  );
  const waits = entries
    .filter(({ name, transferSize }) => transferSize > 0 && name.startsWith(`${origin}/`))
    .map(({ duration }) => duration);
  return Math.min(...waits) <= NEAR_MS;
}
