/**
 * The viewfinder: a camera that answers. One component for `/device/` and for Streamlit, where it
 * is in a shadow root.
 */

import { openRunMenu } from "./ask.mjs";
import { linkStyles } from "./elements.mjs";
import { LivePicture } from "./live_picture.mjs";
import { tellSent } from "./outgoing.mjs";
import { Declined, Permissions } from "./permissions.mjs";
import { ALTS, connectSources, takeSample } from "./photo_sources.mjs";
import { explain } from "./photo_view.mjs";
import { randomId } from "./recents.mjs";
import { createParts, followSize, followTheme, STYLES } from "./viewfinder_parts.mjs";
import { DEFAULTS, NOTHING_SAID, render } from "./viewfinder_screen.mjs";

const WAITING_MS = 300;
const NOT_TAKEN = "The photo couldn’t be taken. Try again.";
const NOT_CLEARED = "This browser couldn’t delete the recent photos.";

/**
 * Show the viewfinder in an element.
 *
 * @param {Element} parent
 * @param {Partial<import("./types").ViewfinderOptions>} options those that differ from `DEFAULTS`
 * @returns {Viewfinder}
 */
export function mountViewfinder(parent, options) {
  return new Viewfinder(parent, options);
}

class Viewfinder {
  #parent;
  #handlers = {
    onBegin: () => this.#begin(),
    onPhoto: (photo, source, alt, press) => this.take(photo, source, alt, { press }),
    onRefusal: (message, press) => {
      if (!press || press === this.#pressed) this.#change({ message });
    },
    onSpace: () => this.#parts.shutter.checkVisibility() && (this.#press(), true),
    onEscape: () => this.#state.entry !== null && (this.#goBack(), true),
    onPress: () => this.#press(),
    onPicture: ({ target }) => {
      if (target.closest("button")) return;
      if (this.#state.entry) this.#toggleWhole();
      else if (this.#parts.square.contains(target)) this.#shoot();
    },
    onWhole: () => this.#toggleWhole(),
    onOpenCamera: () => this.#picture.open(),
    onCamera: (change) => this.#picture.camera[change](),
    onUse: () => this.#picture.resetIdle(),
    onLive: (isLive) => {
      this.#state.message = "";
      this.#picture.setLive(isLive);
    },
    onWhy: () => this.#explain(),
    onAction: (name) => {
      const { entry, options } = this.#state;
      const permit = (part) => this.#permissions.pressBeside(entry, options.identifier, part);
      options.actions[name](entry, permit);
    },
    onRetry: () => this.#state.options.onRetry?.(),
    onWhere: () => this.#chooseRun(),
    onSample: (sample) => takeSample(sample, this.#handlers),
    onModel: (name) => this.#state.options.onModel?.(name),
    onDelete: () => this.#state.options.onDelete(),
    onEntry: (entry) => this.#open(entry),
    onClear: async () => {
      const isCleared = await this.#state.options.recents.clear();
      if (!isCleared) this.#change({ message: NOT_CLEARED });
      this.#state.options.onClear?.();
      await this.#listRecents();
    },
  };
  #parts = createParts(this.#handlers);
  #unmounting = new AbortController();
  /** All that the screen depends on, beside the live picture. */
  #state = { options: DEFAULTS, entry: null, recents: [], ...NOTHING_SAID };
  /** The last answered entry since the camera was shown, or null. */
  #answered = null;
  /** The permission of the last press, until its photo is taken or another is shown; or null. */
  #pressed = null;
  #picture = new LivePicture(
    this.#parts,
    () => ({ identifier: null, top: 5, ...this.#state.options, entry: this.#state.entry }),
    () => this.#render(),
  );
  #permissions = new Permissions(this.#parts);
  #request = new AbortController();
  #applyTheme;

  constructor(parent, options) {
    this.#parent = parent;
    const { root } = this.#parts;
    const { signal } = this.#unmounting;
    const getTheme = () => this.#state.options.theme;
    this.#applyTheme = followTheme(root, { getTheme, signal });
    if (options.hasCamera ?? DEFAULTS.hasCamera) {
      connectSources(this.#parts, this.#handlers, signal);
    }
    this.update(options);
    linkStyles(root, STYLES).then(() => {
      root.hidden = false;
      // The page's first screen, drawn before any script, leaves.
      dispatchEvent(new Event("viewfinder"));
    });
    parent.append(root);
    followSize(this.#parts, () => this.#picture.place(), options.header ?? null, signal);
    if (this.#state.options.hasCamera) this.#picture.start();
  }

  /**
   * Change options; the camera stays open.
   *
   * @param {Partial<import("./types").ViewfinderOptions>} options
   */
  update(options) {
    const { options: previous } = this.#state;
    this.#state.options = { ...previous, ...options };
    const { identifier, recents } = this.#state.options;
    if (identifier !== previous.identifier) this.#useIdentifier(identifier);
    if (recents !== previous.recents) {
      recents.onclear = () => this.#listRecents();
      this.#listRecents();
    }
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
   * @param {{place?: "device" | null}} [options] see `Identifier.identify`
   */
  identifyAgain({ place = null } = {}) {
    const { entry } = this.#state;
    if (entry?.photo) this.take(entry.photo, entry.source, entry.alt, { place });
  }

  /** Show an entry, such as one of the recents; null goes back to the camera. */
  show(entry) {
    this.#pressed = null;
    this.#request.abort();
    this.#request = new AbortController();
    Object.assign(this.#state, NOTHING_SAID, { entry });
    this.#parts.photo.hideSpotlight();
    if (entry) this.#picture.stopWatching();
    else this.#parts.video.play().catch(() => {});
    this.#render();
    // Recent photos may be far below.
    const { root, square } = this.#parts;
    if (square.getBoundingClientRect().top < 0) root.scrollIntoView();
  }

  /** Close the camera and remove everything. */
  unmount() {
    this.#unmounting.abort();
    this.#pressed = null;
    this.#permissions.close();
    this.#request.abort();
    this.#picture.destroy();
    this.#parts.photo.release();
    this.#parts.root.remove();
  }

  #chooseRun() {
    const { entry, options } = this.#state;
    if (!options.onRun) return options.onWhere?.();
    return openRunMenu(this.#parent, options, entry?.answer, (run) => {
      // The menu's words say what the server gets.
      this.#permissions.noteRun(run, options.identifier.state);
      options.onRun(run);
    });
  }

  #useIdentifier(identifier) {
    this.#picture.stopWatching();
    const previous = identifier.onchange;
    identifier.onchange = () => {
      previous?.();
      if (this.#state.options.identifier === identifier) this.#picture.follow();
    };
  }

  #press() {
    if (this.#state.entry) this.#goBack();
    else this.#shoot();
  }

  #open(entry) {
    this.show(entry);
    this.#state.options.onOpen?.(entry);
  }

  #toggleWhole() {
    this.#parts.photo.toggleWhole();
    this.#render();
  }

  #goBack() {
    const isWanted = this.#picture.camera.isWanted;
    this.#open(null);
    if (isWanted) this.#picture.open();
    this.#picture.follow();
  }

  async #shoot() {
    if (this.#state.isTaking || !this.#picture.canTake) return undefined;
    navigator.vibrate?.(10);
    const press = this.#begin();
    const taking = this.#picture.take();
    this.#change({ isTaking: true, message: "" });
    const taken = await taking.catch(() => null);
    if (taken) return this.take(taken.photo, taken.source, undefined, { ...taken, press });
    if (this.#pressed !== press) return undefined;
    this.show(null);
    return this.#change({ message: NOT_TAKEN });
  }

  /** Return the permission of a press; only the last press's photo is taken. */
  #begin(photo = null) {
    const { entry, isTaking, options } = this.#state;
    if (!entry || entry.answer) this.#answered = entry;
    if (isTaking) this.show(null);
    this.#pressed = this.#permissions.press(options.identifier, entry !== null, photo);
    return this.#pressed;
  }

  /**
   * Show a photo and its answer.
   *
   * @param {Blob} photo
   * @param {import("../types").Entry["source"]} source
   * @param {string} [alt] by default by the source
   * @param {object} [options]
   * @param {import("../types").Answer | null} [options.answer] if it is known
   * @param {string} [options.id] of the photo
   * @param {"device" | null} [options.place] see `Identifier.identify`
   * @param {import("./types").Permission} [options.press] of an earlier press, by default of
   *   this one; if there was a later press, nothing happens
   */
  async take(
    photo,
    source,
    alt = ALTS[source],
    { answer = null, id = randomId(), place = null, press = this.#begin(photo) } = {},
  ) {
    if (press !== this.#pressed || this.#unmounting.signal.aborted) return;
    const { options } = this.#state;
    const entry = { id, photo, source, alt, time: Date.now(), answer };
    this.show(entry);
    const { signal } = this.#request;
    const timer = setTimeout(() => this.#change({ isWaiting: true }), WAITING_MS);
    try {
      const onPlace = (chosen) => this.#change({ place: chosen });
      const given = { previous: this.#answered, top: options.top, place, signal, onPlace };
      entry.answer ??= await this.#permissions.identify(photo, press, options.identifier, given);
    } catch (error) {
      if (!signal.aborted) this.#refuse(error, entry);
      return;
    } finally {
      clearTimeout(timer);
      if (!signal.aborted) this.#state.isWaiting = false;
    }
    if (signal.aborted) return;
    if (entry.answer.certainty === "unknown") navigator.vibrate?.([10, 60, 10]);
    this.#render();
    options.onOpen?.(entry);
    await options.recents?.add(entry);
    await this.#listRecents();
  }

  /** Say why a photo has no answer; if the visitor declined, go back. */
  #refuse(error, { photo, source }) {
    if (!(error instanceof Declined)) {
      this.#change({ error, sent: tellSent(photo), isWaiting: false, place: null });
      this.#state.options.onError?.();
      return;
    }
    if (photo === this.#answered?.photo) this.#open(this.#answered);
    else this.#goBack();
    // The question's button says so; Esc only closes the question.
    if (error.wantsOther && source === "file") this.#parts.pick.click();
  }

  #explain() {
    const { entry, isExplaining, options } = this.#state;
    if (isExplaining) return;
    const { signal } = this.#request;
    const change = (changes) => signal.aborted || this.#change(changes);
    const { sent, where } = entry.answer;
    // The answer's line says what was sent for it.
    const part = where === "server" ? (sent?.kind ?? "file") : "nothing";
    const permission = this.#permissions.pressBeside(entry, options.identifier, part);
    explain(entry, options.identifier, this.#parts.photo, change, { permission, signal });
  }

  async #listRecents() {
    const { recents } = this.#state.options;
    const list = recents ? await recents.list() : [];
    if (!this.#unmounting.signal.aborted) this.#change({ recents: list });
  }

  #change(values) {
    Object.assign(this.#state, values);
    this.#render();
  }

  #render() {
    const { entry, options } = this.#state;
    const placeOf = (name) =>
      options.placeOf(name) ??
      (entry?.answer && this.#permissions.placeOf(options.identifier.state, options.run));
    const { isFileAllowed } = this.#permissions;
    const next = this.#state.place ?? options.identifier?.state.next;
    const state = { ...this.#state, isFileAllowed, placeOf, next };
    this.#permissions.note(render(this.#parts, state, this.#picture, this.#handlers));
  }
}
