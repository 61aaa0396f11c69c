/**
 * The viewfinder: a camera that answers. One component for `/device/` and for Streamlit, where it
 * is in a shadow root.
 */

import { ask, openRunMenu } from "./ask.mjs";
import { Camera } from "./camera.mjs";
import { cameraAccess, watchPermission } from "./camera_access.mjs";
import { Consent, Declined } from "./consent.mjs";
import { cutFrame, encodeFrame, placeFrame, seenAspect } from "./crop.mjs";
import { LiveAnswers } from "./live.mjs";
import { canPaste, listen, NO_PHOTO_PASTED, readClipboard } from "./photo_sources.mjs";
import { engineOf, partOf } from "./promise.mjs";
import { randomId } from "./recents.mjs";
import { createParts, followSize, followTheme, linkStyles } from "./viewfinder_parts.mjs";
import { render } from "./viewfinder_screen.mjs";

const IDLE_MS = 120_000;
const WAITING_MS = 300;
const MOVE_MS = 240;
const NO_EXPLANATION = "Why? couldn’t be worked out. Try again.";
const NO_RECIPE = { resize: [1, 1] };
/** @type {Partial<import("./types").ViewfinderOptions>} */
const DEFAULTS = {
  models: [],
  model: "",
  placeOf: () => "device",
  samples: [],
  recents: null,
  theme: null,
  actions: {},
  above: null,
  header: null,
  top: 5,
  rows: 5,
  hasCamera: true,
  isOpening: false,
  sent: "",
  run: "auto",
  what: { headline: "Point your phone at something", line: "" },
};

const views = new WeakMap();

/**
 * Show the viewfinder in an element; a second call for the same element updates it.
 *
 * @param {Element} parent
 * @param {Partial<import("./types").ViewfinderOptions>} options those that differ from `DEFAULTS`
 * @returns {Viewfinder}
 */
export function mountViewfinder(parent, options) {
  const existing = views.get(parent);
  if (existing) {
    existing.update(options);
    return existing;
  }
  const view = new Viewfinder(parent, options);
  views.set(parent, view);
  return view;
}

class Viewfinder {
  #parent;
  #parts = createParts();
  #unmounting = new AbortController();
  #camera = new Camera(this.#parts.video, () => this.#followCamera());
  #live = new LiveAnswers(this.#parts.video, (change) => this.#showLive(change));
  /** All that the screen depends on; see `render`. */
  #state = {
    options: DEFAULTS,
    access: "checking",
    entry: null,
    error: null,
    message: "",
    isTaking: false,
    isWaiting: false,
    isLive: false,
    isExplaining: false,
    /** A phrase in place of the answer's lines: how far "Why?" is, or what its light means. */
    explanation: null,
    recents: [],
  };
  #consent = new Consent(this.#parts);
  #region = null;
  #request = new AbortController();
  #asking = new AbortController();
  #idle = null;
  #applyTheme;
  #stopFollowingSize;

  /**
   * @param {Element} parent
   * @param {Partial<import("./types").ViewfinderOptions>} options
   */
  constructor(parent, options) {
    this.#parent = parent;
    const { root } = this.#parts;
    const getTheme = () => this.#state.options.theme;
    this.#applyTheme = followTheme(root, { getTheme, signal: this.#unmounting.signal });
    this.#connect(options.hasCamera ?? DEFAULTS.hasCamera);
    this.update(options);
    linkStyles(root).then(() => {
      root.hidden = false;
      // The page's first screen, drawn before any script, leaves.
      dispatchEvent(new Event("viewfinder"));
    });
    parent.append(root);
    this.#stopFollowingSize = followSize(this.#parts, () => this.#place(), options.header ?? null);
    this.#start();
  }

  /**
   * Change options; the camera stays open.
   *
   * @param {Partial<import("./types").ViewfinderOptions>} options
   */
  update(options) {
    const { options: former } = this.#state;
    this.#state.options = { ...former, ...options };
    const { identifier, recents } = this.#state.options;
    if (identifier !== former.identifier) this.#useIdentifier(identifier);
    if (recents !== former.recents) this.#listRecents();
    this.#applyTheme();
    this.#render();
  }

  /** The photo that is shown with its answer, or null. */
  get entry() {
    return this.#state.entry;
  }

  /**
   * Identify the photo that is shown by the present identifier.
   *
   * @param {{place?: "device" | "any" | null}} [options] see `Identifier.identify`
   */
  identifyAgain({ place = null } = {}) {
    const { entry } = this.#state;
    if (entry?.photo) this.take(entry.photo, entry.source, entry.alt, { place });
  }

  /**
   * Ask a question about what is shown, in place of its words and of an earlier question; null means
   * that it stays as it is.
   *
   * @param {import("./types").Question} question
   */
  async ask(question) {
    this.#asking.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.#request.signal.addEventListener("abort", () => asking.abort(), { once: true });
    const way = await ask(this.#parts, question, asking.signal);
    if (way === "server") this.#noteServer();
    return way;
  }

  /** Show an entry, such as one of the recents; null goes back to the camera. */
  show(entry) {
    this.#request.abort();
    this.#request = new AbortController();
    Object.assign(this.#state, {
      entry,
      error: null,
      message: "",
      isWaiting: false,
      isTaking: false,
      isExplaining: false,
      explanation: null,
    });
    this.#parts.photo.hideSpotlight();
    if (entry) this.#live.stop();
    else this.#parts.video.play().catch(() => {});
    this.#render();
    // Recent photos may be far below.
    const { root, square } = this.#parts;
    if (square.getBoundingClientRect().top < 0) root.scrollIntoView();
  }

  /** Close the camera and remove everything. */
  unmount() {
    this.#unmounting.abort();
    this.#request.abort();
    this.#live.stop();
    clearTimeout(this.#idle);
    this.#camera.destroy();
    this.#stopFollowingSize();
    this.#parts.photo.release();
    this.#parts.root.remove();
    views.delete(this.#parent);
  }

  /** @param {boolean} hasCamera whether photos come in here */
  #connect(hasCamera) {
    const { root, ...parts } = this.#parts;
    const { signal } = this.#unmounting;
    parts.shutter.onclick = () => this.#press();
    parts.picture.onclick = ({ target }) => {
      const element = /** @type {Element} */ (target);
      if (element.closest("button")) return;
      if (this.#state.entry) this.#toggleWhole();
      else if (parts.square.contains(element)) this.#shoot();
    };
    parts.whole.onclick = () => this.#toggleWhole();
    parts.openCamera.onclick = parts.tryCamera.onclick = () => this.#openCamera();
    parts.flip.onclick = () => this.#camera.flip();
    parts.torch.onclick = () => this.#camera.toggleTorch();
    parts.zoom.onclick = () => this.#camera.cycleZoom();
    parts.live.onclick = () => this.#setLive(true);
    parts.still.onclick = () => this.#setLive(false);
    parts.models.onchange = () => this.#state.options.onModel?.(parts.models.value);
    parts.retry.onclick = () => this.#state.options.onRetry?.();
    parts.where.onclick = () => {
      const { entry, options } = this.#state;
      const { identifier, onRun, onWhere, run } = options;
      const part = partOf(identifier.state, identifier.recipe);
      const engine = entry?.answer ? engineOf(entry.answer) : null;
      const choose = (chosen) => {
        // Its words say what the server gets.
        if (chosen !== "device") this.#noteServer();
        onRun(chosen);
      };
      if (onRun) openRunMenu(this.#parent, { run, part, engine }, choose);
      else onWhere?.();
    };
    for (const { button, input } of [
      { button: parts.choose, input: parts.pick },
      { button: parts.cameraApp, input: parts.capture },
    ]) {
      button.onclick = () => input.click();
      input.onchange = () => {
        const [file] = input.files;
        input.value = "";
        if (file) this.take(file, "file", "The photo you chose");
      };
    }
    parts.paste.onclick = () => this.#paste();
    parts.paste.hidden = !canPaste();
    parts.why.onclick = () => this.#explain();
    for (const name of ["correct", "share", "lookUp"]) {
      parts[name].onclick = () => this.#state.options.actions[name](this.#state.entry);
    }
    if (hasCamera) {
      listen(
        root,
        {
          onPhoto: (file, source) => {
            this.take(
              file,
              source,
              source === "paste" ? "The photo you pasted" : "The photo you dropped",
            );
          },
          onRefusal: (message) => this.#say(message),
          onDragging: (isOver) => root.toggleAttribute("data-dropping", isOver),
          onSpace: () => (parts.shutter.checkVisibility() ? (this.#press(), true) : false),
          onEscape: () => (this.#state.entry ? (this.#goBack(), true) : false),
        },
        signal,
      );
    }
    for (const name of ["pointerdown", "keydown"]) {
      root.addEventListener(name, () => this.#resetIdle(), { signal });
    }
    document.addEventListener("visibilitychange", () => this.#followCamera(), { signal });
    watchPermission(() => this.#start(), signal);
  }

  #useIdentifier(identifier) {
    this.#live.stop();
    const former = identifier.onchange;
    identifier.onchange = () => {
      former?.();
      if (this.#state.options.identifier === identifier) this.#followCamera();
    };
  }

  /** Open the camera if the browser allows it already; only a press makes the browser ask. */
  async #start() {
    if (!this.#state.options.hasCamera) return;
    const access = await cameraAccess();
    if (this.#unmounting.signal.aborted) return;
    this.#state.access = access;
    if (access === "granted") await this.#openCamera();
    else this.#render();
  }

  async #openCamera() {
    this.#resetIdle();
    await this.#camera.open();
  }

  #followCamera() {
    const { entry, isLive, options } = this.#state;
    const { state, problem, isMuted } = this.#camera;
    if (problem) this.#state.access = problem;
    else if (state === "open") this.#state.access = "granted";
    const canAnswer = options.identifier?.state.device === "ready" && !document.hidden;
    if (isLive && state === "open" && !isMuted && !entry && canAnswer) {
      this.#live.start(options.identifier, () => this.#region, options.top);
    } else {
      this.#live.stop();
    }
    this.#place();
    this.#render();
  }

  /** Put the video behind the corners. */
  #place() {
    const { video, picture, square } = this.#parts;
    const recipe = this.#state.options.identifier?.recipe ?? NO_RECIPE;
    if (this.#state.entry) return;
    square.style.setProperty("--aspect", String(seenAspect(recipe)));
    if (!video.videoWidth) return;
    const outer = picture.getBoundingClientRect();
    const box = square.getBoundingClientRect();
    if (!box.width) return;
    const corners = {
      left: box.left - outer.left,
      top: box.top - outer.top,
      width: box.width,
      height: box.height,
    };
    const frame = { width: video.videoWidth, height: video.videoHeight };
    const { isMirrored } = this.#camera;
    const placed = placeFrame(frame, outer, corners, recipe, isMirrored);
    this.#region = placed.region;
    for (const name of ["left", "top", "width", "height"]) video.style[name] = `${placed[name]}px`;
    video.toggleAttribute("data-mirrored", isMirrored);
  }

  #press() {
    if (this.#state.entry) this.#goBack();
    else this.#shoot();
  }

  #goBack() {
    const isWanted = this.#camera.isWanted;
    this.show(null);
    this.#state.options.onOpen?.(null);
    if (isWanted) this.#openCamera();
    this.#followCamera();
  }

  /** Take a photo: the camera's own, else the frame that is shown; of a live answer, that frame. */
  async #shoot() {
    const { video } = this.#parts;
    if (this.#state.isTaking || this.#camera.state !== "open" || !this.#region) return;
    const isLive = this.#state.isLive && this.#live.shown;
    navigator.vibrate?.(10);
    video.pause();
    const frame = cutFrame(video, this.#region);
    Object.assign(this.#state, { isTaking: true, message: "" });
    this.#render();
    const original = isLive ? null : await this.#camera.takePhoto();
    const photo = original ?? (await encodeFrame(frame));
    if (!this.#state.isTaking) return;
    await this.take(photo, original ? "camera" : "frame", "The photo you took", { answer: isLive });
  }

  /**
   * Show a photo and its answer.
   *
   * @param {Blob} photo
   * @param {"file" | "camera" | "frame" | "paste" | "drop" | "sample"} source
   * @param {string} alt
   * @param {object} [options]
   * @param {import("../types").Answer | null} [options.answer] if it is known
   * @param {string} [options.id] of the photo
   * @param {"device" | "any" | null} [options.place] see `Identifier.identify`
   */
  async take(photo, source, alt, { answer = null, id = randomId(), place = null } = {}) {
    const { options } = this.#state;
    const { identifier, recents, onError, onOpen } = options;
    const before = this.#parts.square.getBoundingClientRect();
    const { entry: former } = this.#state;
    const entry = { id, photo, source, alt, time: Date.now(), answer: answer || null };
    this.show(entry);
    this.#moveSquare(before);
    const { signal } = this.#request;
    const timer = setTimeout(() => this.#change({ isWaiting: true }), WAITING_MS);
    try {
      if (former?.answer && !answer && place !== "device") {
        await this.#consent.check(photo, former, identifier, signal);
      }
      entry.answer ??= await identifier.identify(photo, {
        top: options.top,
        signal,
        place,
        ask: (error) => this.#consent.mayBeSent(photo, error, signal),
      });
      if (signal.aborted) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Declined) {
        this.#goBack();
        // As its button says; Esc only takes the question away.
        if (error.wantsOther && source === "file") this.#parts.pick.click();
        return;
      }
      this.#change({ error });
      onError?.();
      return;
    } finally {
      clearTimeout(timer);
      if (!signal.aborted) this.#state.isWaiting = false;
    }
    if (entry.answer.certainty === "unknown") navigator.vibrate?.([10, 60, 10]);
    this.#render();
    onOpen?.(entry);
    await recents?.add(entry);
    await this.#listRecents();
  }

  /** Animate the square's move up from its previous place. */
  #moveSquare(before) {
    const { square } = this.#parts;
    const shift = before.top - square.getBoundingClientRect().top;
    if (!before.height || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const easing = "cubic-bezier(.2, 0, 0, 1)";
    square.animate([{ translate: `0 ${shift}px` }, { translate: "none" }], {
      duration: MOVE_MS,
      easing,
    });
  }

  async #paste() {
    try {
      const photo = await readClipboard();
      if (photo) await this.take(photo, "paste", "The photo you pasted");
      else this.#say(NO_PHOTO_PASTED);
    } catch {
      this.#say("The browser doesn't let this page read the clipboard. Choose a photo instead.");
    }
  }

  async #useSample({ url, alt }) {
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error();
      await this.take(await response.blob(), "sample", alt);
    } catch {
      this.#say("This photo can't be fetched without a network.");
    }
  }

  #toggleWhole() {
    this.#parts.photo.toggleWhole();
    this.#render();
  }

  async #explain() {
    const { entry, isExplaining, options } = this.#state;
    const { photo } = this.#parts;
    if (isExplaining) return undefined;
    if (photo.hasSpotlight) {
      photo.hideSpotlight();
      return this.#change({ explanation: null });
    }
    this.#change({ isExplaining: true, message: "" });
    const { signal } = this.#request;
    const isServer = entry.answer.where === "server";
    let progress = isServer
      ? "The server is covering one part of the photo at a time…"
      : "Covering one part of the photo at a time…";
    const onProgress = (done, most) => {
      progress = `Covering one part of the photo at a time: ${done} of at most ${most}.`;
      if (this.#state.explanation && !signal.aborted) this.#change({ explanation: [progress] });
    };
    const timer = setTimeout(() => this.#change({ explanation: [progress] }), WAITING_MS);
    const changes = { isExplaining: false, explanation: null };
    try {
      const map = await options.actions.why(entry, { signal, onProgress });
      if (signal.aborted) return undefined;
      photo.showSpotlight(map);
      changes.explanation = whyPhrase(entry.answer);
    } catch {
      changes.message = NO_EXPLANATION;
    } finally {
      clearTimeout(timer);
    }
    return signal.aborted ? undefined : this.#change(changes);
  }

  #setLive(isLive) {
    this.#resetIdle();
    this.#change({ isLive, message: "" });
    this.#followCamera();
  }

  #showLive({ isNewHeadline, speak }) {
    if (isNewHeadline) this.#resetIdle();
    if (speak) this.#parts.spoken.textContent = speak;
    this.#render();
  }

  /** Close the camera if it is unused. In live mode, another headline counts as use. */
  #resetIdle() {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#camera.state === "closed") return;
      this.#camera.close();
      this.#change({ access: "idle", isLive: false });
      this.#followCamera();
    }, IDLE_MS);
  }

  async #listRecents() {
    const { recents } = this.#state.options;
    const list = recents ? await recents.list() : [];
    if (!this.#unmounting.signal.aborted) this.#change({ recents: list });
  }

  /** Note that the words of a menu or a question named the server. */
  #noteServer() {
    const { sends } = this.#state.options.identifier.state;
    this.#consent.note({ next: "server", sends });
  }

  #say(message) {
    this.#change({ message });
  }

  #change(values) {
    Object.assign(this.#state, values);
    this.#render();
  }

  #render() {
    const { entry, options } = this.#state;
    const isSaid = !entry && !options.isOpening && options.identifier;
    if (isSaid) this.#consent.note(options.identifier.state);
    const { isFileAllowed } = this.#consent;
    render(this.#parts, { ...this.#state, isFileAllowed }, this.#camera, this.#live, {
      onSample: (sample) => this.#useSample(sample),
      onModel: (name) => this.#state.options.onModel?.(name),
      onEntry: (entry) => {
        this.show(entry);
        this.#state.options.onOpen?.(entry);
      },
      onClear: async () => {
        await this.#state.options.recents.clear();
        this.#state.options.onClear?.();
        await this.#listRecents();
      },
    });
  }
}

/** Return what the light means, as a phrase. */
function whyPhrase({ prediction }) {
  const { label } = prediction.candidates[0];
  return [
    "Light parts decided it: cover them and the model is less sure of ",
    { label },
    ". This shows where it looked, not whether it is right.",
  ];
}
