/** The app's own server, by HTTP, for the session whose token the page holds. */

import { pause, untilAborted, waitFor } from "../engine/abort.mjs";
import { STALL_MS } from "../engine/download.mjs";
import { LoupeError } from "../engine/errors.mjs";

/** Longest time for retries while the server is busy, in milliseconds. */
const BUSY_MS = 20_000;

const BUSY = new Set(["busy", "stopping"]);

/** Promise of the token that the server issued to this page, or null. */
let issued = null;

/** Tokens of sessions that have ended. */
const refused = new Set();

export class Server {
  #options;
  /** Resolves with the next session token that the page provides. */
  #given = deferred();

  /**
   * @param {{url: string, token: string | null, model?: string, engine?: string}} options `url`
   *   ends in `api/v1/`, relative to the page; `token` is the session's, or null
   */
  constructor(options) {
    this.#options = options;
  }

  update(options) {
    this.#options = options;
    if (!options.token || refused.has(options.token)) return;
    this.#given.resolve(options.token);
    this.#given = deferred();
  }

  /** Describe the model: what its manifest says, with its version. @throws {LoupeError} */
  async describe() {
    const { model } = this.#options;
    const url = new URL(`models/${model}`, this.#base);
    const { body } = await fetchJson(url);
    if (!body?.manifest) throw errorOf(0, body);
    return { ...body.manifest, version: body.version };
  }

  /** Return the answer in a share link. @throws {LoupeError} */
  async readAnswer(token) {
    const url = new URL("answers", this.#base);
    url.searchParams.set("token", token);
    const { body, status } = await fetchJson(url);
    if (!body?.answer) throw errorOf(status, body);
    return body;
  }

  /**
   * Send a request; retry while the server is busy or a token is due.
   *
   * @type {(name: "photo" | "explanation" | "correction", request: ServerRequest, transfer?:
   *   Transfer) => Promise<any>} see `api/v1/identify.py`
   * @throws {LoupeError} with the code of the server's problem; "unreachable" without an answer
   */
  async request(name, { body, answer, labels, fields, pixels, top }, { signal, onSent } = {}) {
    const described = labels && { ...engineOf(answer), ...fields, token: answer.token };
    const data = labels ? formOf({ ...described, label: labels, photo: body }) : body;
    const started = performance.now();
    let hasRenewed = false;
    for (;;) {
      const token = await untilAborted(this.#token(), signal);
      const url = new URL(labels ? "corrections" : "identify", this.#base);
      const { model, engine } = answer ? engineOf(answer) : this.#options;
      const explain = name === "explanation" || null;
      const query = labels ? {} : { model, engine, top, explain, ...pixels };
      for (const [key, value] of Object.entries(query)) {
        if (value !== undefined && value !== null) url.searchParams.set(key, String(value));
      }
      const response = await post(url, data, { token, signal, onSent }).catch((error) => {
        // A server that went away may return without its sessions, and would refuse a whole photo.
        if (error.code === "unreachable") refuse(token);
        throw error;
      });
      if (response.status < 300 && response.body) return resultOf(name, response.body);
      const error = errorOf(response.status, response.body);
      // The random part keeps refused clients from all returning at the same time.
      const wait = 1000 * ((Number(response.retryAfter) || 1) + Math.random() / 2);
      if (error.code === "no-session" && !hasRenewed) {
        hasRenewed = true;
        refuse(token);
      } else if (BUSY.has(error.code) && performance.now() - started + wait < BUSY_MS) {
        await pause(wait, signal);
      } else {
        throw error;
      }
    }
  }

  /** Delete a correction that this page saved, see `Outgoing.correct`. @throws {LoupeError} */
  async undo({ number, key }, hasRenewed = false) {
    const url = new URL(`corrections/${number}`, this.#base);
    const token = await this.#token();
    const headers = { "Loupe-Session": token, "Loupe-Undo-Key": key };
    const { body, isOk, status } = await fetchJson(url, { method: "DELETE", headers });
    if (isOk) return undefined;
    const error = errorOf(status, body);
    if (error.code !== "no-session" || hasRenewed) throw error;
    refuse(token);
    return this.undo({ number, key }, true);
  }

  get #base() {
    return new URL(this.#options.url, document.baseURI);
  }

  /** Request a token before it is needed, if the page has none. */
  prepare() {
    this.#token();
  }

  /**
   * Return the promise of the session's token, or of an issued one if there is none or it was
   * refused.
   *
   * @throws {LoupeError} "unreachable", or with the server's code, if no token is issued
   */
  #token() {
    const { token } = this.#options;
    if (token && !refused.has(token)) return Promise.resolve(token);
    issued ??= issue(new URL("../session/", this.#base));
    // Streamlit's session may provide one first.
    const next = Promise.race([issued, this.#given.promise]);
    // Avoid an unhandled rejection once no photo waits for the token.
    next.catch(() => {});
    return next;
  }
}

/** @returns {{promise: Promise<string>, resolve: (value: string) => void}} */
function deferred() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

function refuse(token) {
  refused.add(token);
  issued = null;
}

/** Request JSON, which is null, with status 0, if the server doesn't answer. */
async function fetchJson(url, init = {}) {
  const signal = AbortSignal.timeout(STALL_MS);
  const response = await fetch(url, { ...init, signal }).catch(() => null);
  const body = await response?.json().catch(() => null);
  return { body, isOk: response?.ok ?? false, status: response?.status ?? 0 };
}

async function issue(url) {
  const { body, status } = await fetchJson(url, { method: "POST" });
  if (body?.token) return body.token;
  issued = null;
  throw errorOf(status, body);
}

/** Return the model and engine that gave an answer; for a device's, the server's own engine. */
function engineOf({ prediction: { model, engine }, where }) {
  return where === "server" ? { model, engine } : { model, engine: null };
}

/** Return the answer, the explanation or the number of a correction from a response. */
function resultOf(name, { explanation, id, words, ...prediction }) {
  if (name === "correction") return { number: id };
  if (name === "photo") return { prediction, ...words };
  const { heat, label } = explanation;
  return { label, rows: heat.length, columns: heat[0].length, heat: heat.flat() };
}

/** Return a form with values, files and lists of them; null and undefined are left out. */
function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value ?? []].flat()) form.append(name, each);
  }
  return form;
}

/** Return the error that a response means; proxies and other servers send no problem. */
function errorOf(status, body) {
  if (body?.code && body.code !== "not-found") return new LoupeError(body.code, body.detail);
  if (status === 413) {
    const message = "This file is too large for the server. Send a smaller one.";
    return new LoupeError("too-large", message);
  }
  return new LoupeError("unreachable", "The server doesn’t answer. Check the connection.");
}

/** Send a body by XMLHttpRequest, because `fetch` doesn't tell when an upload begins or stalls. */
function post(url, body, { token, signal, onSent }) {
  return waitFor((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer;
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALL_MS);
    };
    restart();
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Loupe-Session", token);
    if (!(body instanceof FormData)) {
      request.setRequestHeader("Content-Type", "application/octet-stream");
    }
    let hasProgressed = false;
    // The first progress is reported after up to 100 ms, by when all may have been sent.
    request.upload.onloadstart = () => onSent?.(true);
    request.upload.onprogress = ({ loaded }) => {
      restart();
      hasProgressed ||= loaded > 0;
    };
    request.onprogress = restart;
    request.onabort = () => reject(errorOf(0));
    request.onerror = () => {
      if (!hasProgressed) onSent?.(false);
      reject(errorOf(0));
    };
    request.onload = () => {
      const retryAfter = request.getResponseHeader("Retry-After");
      resolve({ status: request.status, body: request.response, retryAfter });
    };
    request.onloadend = () => clearTimeout(timer);
    request.send(body);
    return () => {
      request.onabort = null;
      request.abort();
    };
  }, signal);
}
