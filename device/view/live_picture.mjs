/**
 * The live picture: the camera behind the corners, the time after which it closes unused, and the
 * live answers, whose headline changes once another one has lasted, and whose numbers change twice
 * per second.
 */

import { Camera, cameraAccess, watchPermission } from "./camera.mjs";
import { cutFrame, encodeFrame, placeFrame, seenAspect } from "./crop.mjs";
import { toText } from "./phrasing.mjs";

const IDLE_MS = 120_000;
const NO_RECIPE = { resize: [1, 1] };

export class LivePicture {
  /** "checking", then the result of `cameraAccess`; in time also "idle". */
  access = "checking";
  isLive = false;
  camera;
  /** Chooses what is shown of the live answers; null while there are none. */
  #calm = null;
  #watching = new AbortController();
  /** Answers the frames now, or null. */
  #watched = null;
  #parts;
  #getContext;
  #onchange;
  /** The part of a frame between the corners and its margin, in the video's pixels. */
  #region = null;
  #idle = null;
  #closing = new AbortController();

  /**
   * `getContext` returns who answers how many candidates, and what is shown in place of the
   * picture.
   *
   * @param {Parts} parts
   * @param {() => {identifier: Identifier, top: number, entry: object | null}} getContext
   * @param {() => void} onchange
   */
  constructor(parts, getContext, onchange) {
    this.#parts = parts;
    this.#getContext = getContext;
    this.#onchange = onchange;
    this.camera = new Camera(parts.video, () => this.follow());
  }

  get shown() {
    return this.#calm?.shown ?? null;
  }

  /** Live answers per second, as a whole number; null until it is known. */
  get rate() {
    return this.#calm?.rate ?? null;
  }

  /** Open the camera if the browser allows it already; only a press makes the browser ask. */
  async start() {
    const { signal } = this.#closing;
    document.addEventListener("visibilitychange", () => this.follow(), { signal });
    const check = async () => {
      const access = await cameraAccess();
      if (signal.aborted) return;
      this.access = access;
      if (access === "granted") await this.open();
      else this.#onchange();
    };
    watchPermission(check, signal);
    await check();
  }

  async open() {
    this.resetIdle();
    await this.camera.open();
  }

  /** Follow the camera and the identifier: answer frames if both are ready, or stop. */
  follow() {
    const { entry, identifier, top } = this.#getContext();
    const { state, problem, isMuted } = this.camera;
    if (problem) this.access = problem;
    else if (state === "open") this.access = "granted";
    const canAnswer = identifier?.state.device === "ready" && !document.hidden;
    if (this.isLive && state === "open" && !isMuted && !entry && canAnswer) {
      this.#watch(identifier, top);
    } else {
      this.stopWatching();
    }
    this.place();
    this.#onchange();
  }

  /** Show answers to the frames, unless this identifier already gives them. */
  async #watch(identifier, top) {
    if (this.#watched === identifier) return;
    this.stopWatching();
    this.#watched = identifier;
    const { signal } = (this.#watching = new AbortController());
    const calm = (this.#calm = new CalmAnswer());
    const options = { top, region: () => this.#region, average: AVERAGE, signal };
    try {
      for await (const answer of identifier.watch(this.#parts.video, options)) {
        const { isNew, isNewHeadline, speak } = calm.push(answer, performance.now());
        if (isNewHeadline) this.resetIdle();
        if (speak) this.#parts.spoken.textContent = speak;
        if (isNew || speak) this.#onchange();
      }
    } catch {
      // A frame can't be read while the camera changes, for example: the next start tries again.
      if (!signal.aborted) this.stopWatching();
    }
  }

  stopWatching() {
    this.#watching.abort();
    this.#watched = this.#calm = null;
  }

  place() {
    const { video, picture, square } = this.#parts;
    const { entry, identifier } = this.#getContext();
    const recipe = identifier?.recipe ?? NO_RECIPE;
    if (entry) return;
    square.style.setProperty("--aspect", String(seenAspect(recipe)));
    if (!video.videoWidth) return;
    const outer = picture.getBoundingClientRect();
    const box = square.getBoundingClientRect();
    if (!box.width) return;
    const { width, height } = box;
    const corners = { left: box.left - outer.left, top: box.top - outer.top, width, height };
    const frame = { width: video.videoWidth, height: video.videoHeight };
    const { isMirrored } = this.camera;
    const placed = placeFrame(frame, outer, corners, recipe, isMirrored);
    this.#region = placed.region;
    for (const name of ["left", "top", "width", "height"]) video.style[name] = `${placed[name]}px`;
    video.toggleAttribute("data-mirrored", isMirrored);
  }

  setLive(isLive) {
    this.resetIdle();
    this.isLive = isLive;
    this.follow();
  }

  /** The part of the video's frame that a photo consists of, or null. */
  get region() {
    return this.#region;
  }

  get canTake() {
    return this.camera.state === "open" && this.#region !== null;
  }

  /** Take a photo: the camera's own, else the frame that is shown; of a live answer, that frame. */
  async take() {
    const { video } = this.#parts;
    const answer = this.isLive ? this.shown : null;
    video.pause();
    const frame = cutFrame(video, this.#region);
    const original = answer ? null : await this.camera.takePhoto();
    const photo = original ?? (await encodeFrame(frame));
    return { photo, source: original ? "camera" : "frame", answer };
  }

  /** Close the camera if it is unused. In live mode, another headline counts as use. */
  resetIdle() {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.camera.state === "closed") return;
      this.camera.close();
      this.access = "idle";
      this.isLive = false;
      this.follow();
    }, IDLE_MS);
  }

  destroy() {
    this.#closing.abort();
    this.stopWatching();
    clearTimeout(this.#idle);
    this.camera.destroy();
  }
}

/** Answers whose mean is shown: those of two thirds of a second. */
export const AVERAGE = 8;

const HOLD_MS = 600;
const NUMBERS_MS = 500;
const SPOKEN_MS = 3000;
const RATE_MS = 2000;

/** Choose what to show of a stream of answers. Times are milliseconds of `performance.now()`. */
export class CalmAnswer {
  /** The answer whose headline and numbers are shown. */
  shown = null;
  /** Answers per second, as a whole number; null until it is known. */
  rate = null;
  #headline = null;
  #candidate = null;
  #since = 0;
  #numbersAt = 0;
  #spoken = null;
  #spokenAt = -Infinity;
  #rateFrom = null;
  #count = 0;

  /**
   * Take an answer; return whether `shown` is another answer, with another headline, and what to
   * read aloud or null.
   */
  push(answer, now) {
    const headline = toText(answer.headline);
    this.#measureRate(now);
    const isFirst = this.shown === null;
    let isNewHeadline = isFirst;
    let isNew = isFirst;
    if (headline === this.#headline) {
      this.#candidate = null;
      isNew = now - this.#numbersAt >= NUMBERS_MS;
    } else if (!isFirst) {
      if (headline !== this.#candidate) {
        this.#candidate = headline;
        this.#since = now;
      }
      isNew = isNewHeadline = now - this.#since >= HOLD_MS;
    }
    if (isNew) {
      this.shown = answer;
      this.#numbersAt = now;
    }
    if (isNewHeadline) {
      this.#headline = headline;
      this.#candidate = null;
    }
    return { isNew, isNewHeadline, speak: this.#toSpeak(now) };
  }

  #toSpeak(now) {
    if (this.#headline === this.#spoken || now - this.#spokenAt < SPOKEN_MS) return null;
    this.#spoken = this.#headline;
    this.#spokenAt = now;
    return this.#headline;
  }

  #measureRate(now) {
    this.#rateFrom ??= now;
    const passed = now - this.#rateFrom;
    if (passed >= RATE_MS) {
      this.rate = Math.round((this.#count * 1000) / passed);
      this.#rateFrom = now;
      this.#count = 0;
    }
    this.#count += 1;
  }
}
