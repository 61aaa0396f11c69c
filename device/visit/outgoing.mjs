/**
 * Sends what leaves a visitor's device; no other module of a visit talks to the server. A photo, or
 * a part of it, needs a permission, which a press makes from the words on the screen; what exceeds
 * it is refused.
 */

import { anyAborted, untilAborted } from "../engine/abort.mjs";
import { LoupeError } from "../engine/errors.mjs";
import { encodeCopy } from "../view/crop.mjs";
import { randomId } from "./recents.mjs";
import { Server } from "./server.mjs";

/** The parts of a photo, the least first. A copy is small and without metadata. */
const PARTS = /** @type {Part[]} */ (["nothing", "pixels", "copy", "file"]);

/** The server counts as near if the page's quickest file took at most so many milliseconds. */
const NEAR_MS = 30;

const NO_ANSWER = "The server doesn’t answer. Try again.";

/** Results of a measurement and a test, null until known; they hold for the visit. */
let isServerNear = null;
let canPrepare = null;

/** What was sent of each photo, and who sent it last, until the page has said so. */
const sendings = new WeakMap();

/** A photo, or a part of it, that no permission covers. */
export class NotPermitted extends Error {
  /** `cause` is why the file is needed: this device can't read it. */
  constructor(part, cause) {
    super(`Nothing on the screen said that ${part} would leave this device.`, { cause });
    this.part = part;
  }
}

export const isWithin = (part, allowed) => PARTS.indexOf(part) <= PARTS.indexOf(allowed);

/** @type {(permission: Permission | undefined, need: Need) => boolean} */
function covers(permission, { part, model, host, photo, cause }) {
  const isSame =
    permission?.photo === photo && permission.model === model && permission.host === host;
  if (!isSame || permission.signal.aborted) return part === "nothing";
  return isWithin(part, permission.part) || Boolean(cause && permission.isFileAllowed);
}

/** Return what was sent of a photo, if the page hasn't said so yet, or null. */
export const sentOf = (photo) => sendings.get(photo)?.sent ?? null;

/** Return the same, for the page to say; then forget it. */
export function tellSent(photo) {
  const sent = sentOf(photo);
  sendings.delete(photo);
  if (sent) noteTold(photo, sent);
  return sent;
}

/** Add an upload to what was sent of a photo; the same sender's same bytes again are no more. */
function addUpload(before, upload) {
  const { sender, sent } = upload;
  if (!before || !isWithin(sent.kind, before.sent.kind)) return upload;
  const { bytes, earlier = [], kind } = before.sent;
  const isRepeated = before.sender === sender && bytes === sent.bytes;
  if (isRepeated || kind !== sent.kind) return before;
  return { sender, sent: { ...sent, earlier: [...earlier, bytes] } };
}

/** What the page has said was sent of each photo; null where a reload has lost that. */
const told = new WeakMap();

/** Note what was sent of a photo that was found again: what its answers say, or null. */
function noteTold(photo, sent) {
  const before = told.get(photo);
  // What isn't known may be the file.
  const isMore = before
    ? sent && !isWithin(sent.kind, before.kind)
    : before === undefined || sent?.kind === "file";
  if (isMore) told.set(photo, sent);
}

/** Note what the answers of a photo say was sent of it; what a reload interrupted isn't known. */
export function recallSent({ photo, answer, earlier = [], wasSent }) {
  if (!photo) return;
  for (const one of [...earlier, answer].filter(Boolean)) {
    noteTold(photo, one.sent);
    if (one.copy) noteTold(photo, { kind: "copy", bytes: one.copy });
  }
  if (!answer && wasSent) noteTold(photo, null);
}

/** Return the most that was sent of a photo: undefined for nothing, null if that isn't known. */
export const everSent = (photo) => sentOf(photo) ?? told.get(photo);

/**
 * Without a permission, nothing is sent; `cause` is why the device can't read the file. `onPlace`
 * is called once sending begins, with "file" if that is what the device can't read.
 * @typedef {{permission?: Permission, top?: number, signal?: AbortSignal, cause?: LoupeError,
 *   onPlace?: (place: Place) => void}} SendOptions
 */

/** Return the answer in a share link; see `api/v1/answers.py`. */
export const readAnswer = (server, token) => new Server(server).readAnswer(token);

export class Outgoing {
  /**
   * "pixels", "file", or null until that is known; it never changes afterwards, so that what the
   * page says before a photo is true. @type {Sending | null}
   */
  kind = null;
  #server;
  #options;
  #deciding = null;

  /**
   * @param {ConstructorParameters<typeof Server>[0]} server
   * @param {object} options
   * @param {string | null} options.model its name
   * @param {string | null} options.host to which the server passes photos
   * @param {Limits | null} options.limits of photos; without them, files are sent
   * @param {() => ModelWorker} options.worker returns the current one
   * @param {(isChanged?: boolean) => Promise<Described | null>} options.describe asks again if the
   *   version has changed
   */
  constructor(server, options) {
    this.#server = new Server(server);
    this.#options = options;
  }

  /** No photo is in these; see `Server`. */
  update = (server) => this.#server.update(server);
  describe = () => this.#server.describe();
  prepare = () => this.#server.prepare();
  undo = (saved) => this.#server.undo(saved);

  /** Find out what will be sent. */
  decide = () => (this.#deciding ??= this.#decide());

  /**
   * Have the server identify a photo.
   *
   * @type {(photo: Blob, options: SendOptions) => Promise<Answer>}
   * @throws {NotPermitted | LoupeError} or the signal's reason
   */
  async identify(photo, options) {
    const kind = await untilAborted(this.decide(), options.signal);
    if (!kind) throw new LoupeError("unreachable", NO_ANSWER);
    if (kind === "pixels") return this.#identifyPixels(photo, options);
    return this.#sendPhoto({ body: photo }, photo, options);
  }

  /**
   * Have the server explain its answer, from the same pixels or file.
   *
   * @type {(photo: Blob, answer: Answer, options: SendOptions) => Promise<OcclusionMap>}
   */
  async explain(photo, answer, { permission, signal }) {
    const { recipe, prediction, sent: before } = answer;
    const part = before?.kind ?? "file";
    const need = { part, photo, model: prediction.model };
    const described = { recipe, version: prediction.version };
    const sent = part === "pixels" ? await this.#prepare(photo, described) : { body: photo };
    const map = await this.#send("explanation", { ...sent, answer }, permission, need, { signal });
    return { ...map, heat: Float32Array.from(map.heat) };
  }

  /**
   * Save a correction, with a copy of the photo if one is given: only if the visitor agreed.
   * `onCopy` is called with the copy's bytes once sending it begins, with null if none was sent.
   *
   * @type {(correction: {answer: Answer, labels: string[], photo?: Blob | null, signal?:
   *   AbortSignal, onCopy?: (bytes: number | null) => void}, permission: Permission) =>
   *   Promise<{number: number, key: string}>} for `undo`
   * @throws {LoupeError} or the signal's reason, before anything is sent
   */
  async correct({ answer, labels, photo, signal, onCopy }, permission) {
    const body = photo && (await encodeCopy(photo));
    signal?.throwIfAborted();
    const part = /** @type {Part} */ (photo ? "copy" : "nothing");
    const need = { part, photo: photo ?? null, model: answer.prediction.model };
    const key = randomId();
    // The words that the visitor read, by their names on the server.
    const fields = { undo_key: key, wording: photo ? "tap-photo-1" : "tap-1" };
    const request = { answer, labels, body, fields };
    const onSent = (isSent) => {
      if (!photo) return;
      if (isSent) noteTold(photo, { kind: "copy", bytes: body.size });
      onCopy?.(isSent ? body.size : null);
    };
    const saved = await this.#send("correction", request, permission, need, { onSent });
    return { ...saved, key };
  }

  /** Return whether the server may read a file that this device refused with an error. */
  async mayRead(file, { code }) {
    if (code !== "unsupported-format") return code === "engine-unavailable";
    const start = new Uint8Array(await file.slice(0, 256).arrayBuffer());
    const { formats } = this.#options.limits ?? {};
    return new RegExp(`^(${formats ?? ""})`, "s").test(String.fromCharCode(...start));
  }

  async #decide() {
    isServerNear ??= isNear();
    const mayPrepare = !isServerNear && this.#options.limits;
    try {
      if (mayPrepare) canPrepare ??= await this.#call("canPrepare", {});
    } catch ({ code }) {
      // Offline, leave it unknown; otherwise files would be sent from now on.
      if (code === "unreachable") return (this.#deciding = null);
    }
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

  async #identifyPixels(photo, options, isChanged = false) {
    const { signal } = options;
    const described = await untilAborted(this.#options.describe(isChanged), signal);
    if (!described) throw new LoupeError("unreachable", NO_ANSWER);
    let request;
    try {
      request = await this.#prepare(photo, described);
    } catch (cause) {
      signal?.throwIfAborted();
      if (!(await this.mayRead(photo, cause))) throw cause;
      return this.#sendPhoto({ body: photo }, photo, { ...options, cause });
    }
    try {
      return await this.#sendPhoto(request, photo, options);
    } catch (error) {
      if (error.code !== "other-version" || isChanged) throw error;
      return this.#identifyPixels(photo, options, true);
    }
  }

  async #prepare(photo, { version, recipe }) {
    const values = { source: photo, recipe, limits: this.#options.limits };
    const { bytes, packed } = await this.#call("prepare", values);
    return { body: new Blob([bytes]), pixels: { pixels: version, packed } };
  }

  /** @type {(request: object, photo: Blob, options: SendOptions) => Promise<any>} */
  #sendPhoto(request, photo, { permission, top = 5, signal, cause, onPlace }) {
    const kind = /** @type {Sending} */ (request.pixels ? "pixels" : "file");
    let before;
    const onSent = (isSent) => {
      if (isSent) onPlace?.(cause ? "file" : "server");
      // An earlier attempt may have been sent.
      if (isSent) before = sendings.get(photo);
      const upload = { sender: this, sent: { kind, bytes: request.body.size } };
      sendings.set(photo, isSent ? addUpload(before, upload) : before);
    };
    const need = { part: kind, photo, cause };
    return this.#send("photo", { ...request, top }, permission, need, { signal, onSent });
  }

  /**
   * Send a request if the permission covers it; abort it when the permission ends.
   *
   * @type {(name: "photo" | "explanation" | "correction", request: ServerRequest,
   *   permission: Permission | undefined, need: Pick<Need, "part" | "photo"> & Partial<Need>,
   *   transfer?: Transfer) => Promise<any>}
   */
  async #send(name, request, permission, need, { signal, onSent } = {}) {
    this.#check(permission, need);
    const stop = anyAborted(signal, permission?.signal);
    try {
      return await this.#server.request(name, request, { signal: stop.signal, onSent });
    } catch (error) {
      signal?.throwIfAborted();
      throw permission?.signal.aborted ? new NotPermitted(need.part, need.cause) : error;
    } finally {
      stop.unlink();
    }
  }

  /** @throws {NotPermitted} */
  #check(permission, need) {
    const { part, cause } = need;
    if (!covers(permission, { ...this.#options, ...need })) throw new NotPermitted(part, cause);
  }
}

/** Return whether the server counts as near; a reload doesn't change that, nor what photos send. */
function isNear() {
  try {
    sessionStorage.loupeServer ??= measureNearness() ? "near" : "far";
    return sessionStorage.loupeServer === "near";
  } catch {
    // Storage may be blocked or full.
    return measureNearness();
  }
}

/**
 * Return whether the server is on this machine and answers quickly; then its decoder is quicker
 * than making pixels in the browser. A tunnel to another machine also has an address of this one.
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
