/**
 * The viewfinder: the camera, the open photo and its answer. It draws the visit and sends it
 * events. It is used by `/device/` and by Streamlit's page, there in a shadow root.
 */

import { ask, openRunMenu } from "./ask.mjs";
import { linkStyles } from "./elements.mjs";
import { CorrectionPanel } from "./correction.mjs";
import { LivePicture } from "./live_picture.mjs";
import { connectSources, takeSample } from "./photo_sources.mjs";
import { explain } from "./photo_view.mjs";
import { createParts, followSize, followTheme, STYLES } from "./viewfinder_parts.mjs";
import { DEFAULTS, render } from "./viewfinder_screen.mjs";

/** Access to a camera that opens, or for which the browser asks. */
const CAN_OPEN = new Set(["granted", "prompt", "idle"]);

const NOT_TAKEN = "The photo couldn’t be taken. Try again.";

/** @type {(parent: Element, visit: Visit, options: Partial<ViewfinderOptions>) => Viewfinder} */
export function mountViewfinder(parent, visit, options) {
  return new Viewfinder(parent, visit, options);
}

class Viewfinder {
  #parent;
  #visit;
  #options = DEFAULTS;
  #handlers = {
    onBegin: () => this.#begin(),
    onPhoto: (photo, source, alt, permission) =>
      this.#visit.take(photo, source, alt, { permission }),
    onRefusal: (message, permission) => this.#visit.send({ type: "missed", permission, message }),
    onSpace: () => this.#parts.shutter.checkVisibility() && (this.#press(), true),
    onEscape: () => {
      if (this.#correction.dismiss()) return true;
      if (!this.#visit.state.entry) return false;
      // The first Escape closes an enlarged photo, the next one the answer.
      if (this.#parts.photo.isWhole) this.#toggleWhole();
      else this.#goBack();
      return true;
    },
    onPress: () => this.#press(),
    onPicture: ({ target }) => {
      if (target.closest("button")) return;
      if (this.#visit.state.entry) this.#toggleWhole();
      else if (this.#parts.square.contains(target)) this.#shoot();
    },
    onWhole: () => this.#toggleWhole(),
    onOpenCamera: () => this.#picture.open(),
    onTry: () => {
      this.#visit.send({ type: "closed" });
      // Elsewhere, the empty square says why there is no camera.
      if (CAN_OPEN.has(this.#picture.access)) this.#picture.open();
    },
    onCamera: (change) => this.#picture.camera[change](),
    onUse: () => this.#picture.resetIdle(),
    onLive: (isLive) => {
      this.#visit.send({ type: "explained", step: this.#visit.state.step, message: "" });
      this.#picture.setLive(isLive);
    },
    onWhy: () => this.#explain(),
    onAction: (name) => {
      const { entry } = this.#visit.state;
      const isOwn = entry.answer.token === null;
      if (name === "correct" && isOwn) this.#correction.openProject(entry, this.#visit);
      else if (name === "correct") this.#correction.open(entry, this.#visit);
      else if (name === "right") this.#correction.confirm(entry, this.#visit);
      else this.#options.actions[name](entry);
    },
    onRetry: () => {
      const { entry, error, waiting } = this.#visit.state;
      // A waiting photo goes where its line says.
      const permission = waiting && this.#visit.press(entry.photo);
      if (error) this.#visit.send({ type: "retried", permission });
      else if (this.#options.onRetry) this.#options.onRetry();
      else this.#visit.identifier.start();
    },
    onWhere: () => {
      if (this.#options.onWhere) return this.#options.onWhere();
      return openRunMenu(this.#parent, this.#visit, (run) => this.#visit.chooseRun(run));
    },
    onSample: (sample) => takeSample(sample, this.#handlers),
    onModel: (model) => this.#visit.send({ type: "chosen", model }),
    onDelete: () => this.#visit.askToDelete(this.#parent),
    onEntry: (entry) => this.#visit.open(entry),
    onClear: () => this.#visit.clearRecents(),
  };
  #parts = createParts(this.#handlers);
  #correction = new CorrectionPanel(this.#parts);
  #unmounting = new AbortController();
  #picture;
  #drawn = { step: -1, identifier: null };
  #applyTheme;

  constructor(parent, visit, options) {
    this.#parent = parent;
    this.#visit = visit;
    const { root } = this.#parts;
    const { signal } = this.#unmounting;
    const getContext = () => ({
      identifier: visit.identifier,
      entry: visit.state.entry,
      top: visit.host.top,
    });
    this.#picture = new LivePicture(this.#parts, getContext, () => this.#render());
    this.#options = { ...DEFAULTS, ...options };
    this.#applyTheme = followTheme(root, { getTheme: () => this.#options.theme, signal });
    connectSources(this.#parts, this.#handlers, signal);
    visit.arrive({
      draw: () => this.#draw(),
      ask: (question, sent, ended) => ask(this.#parts, question, sent, ended),
      chooseFile: () => this.#parts.pick.click(),
    });
    linkStyles(root, STYLES).then(() => {
      root.hidden = false;
      // The page's first screen, drawn before any script, leaves.
      dispatchEvent(new Event("viewfinder"));
    });
    parent.append(root);
    followSize(this.#parts, () => this.#picture.place(), this.#options.header, signal);
    this.#picture.start();
  }

  /** Change options; the camera stays open. @param {Partial<ViewfinderOptions>} options */
  update(options) {
    this.#options = { ...this.#options, ...options };
    this.#applyTheme();
    this.#draw();
  }

  unmount() {
    this.#unmounting.abort();
    this.#correction.close();
    this.#visit.leave();
    this.#picture.destroy();
    this.#parts.photo.release();
    this.#parts.root.remove();
  }

  #press() {
    if (this.#visit.state.entry) this.#goBack();
    else this.#shoot();
  }

  #toggleWhole() {
    this.#parts.photo.toggleWhole();
    this.#render();
  }

  #goBack() {
    const { isWanted } = this.#picture.camera;
    this.#visit.send({ type: "closed" });
    if (isWanted) this.#picture.open();
  }

  /** Begin a press whose photo comes later; return its permission. */
  #begin(isTaking = false) {
    const permission = this.#visit.press();
    this.#visit.send({ type: "pressed", permission, isTaking });
    return permission;
  }

  async #shoot() {
    if (this.#visit.state.phase === "taking" || !this.#picture.canTake) return;
    navigator.vibrate?.(10);
    const permission = this.#begin(true);
    const taken = await this.#picture.take().catch(() => null);
    if (taken) this.#visit.take(taken.photo, taken.source, undefined, { ...taken, permission });
    else this.#visit.send({ type: "missed", permission, message: NOT_TAKEN });
  }

  #explain() {
    const { entry, isExplaining, step } = this.#visit.state;
    if (isExplaining) return;
    const { sent, where } = entry.answer;
    // As much as was sent for the answer, which its line says.
    const permission = this.#visit.pressBeside(
      where === "server" ? (sent?.kind ?? "file") : "nothing",
    );
    const change = (changes) => this.#visit.send({ type: "explained", step, ...changes });
    const { identifier, signal } = this.#visit;
    explain(entry, identifier, this.#parts.photo, change, { permission, signal });
  }

  #draw() {
    const { identifier, state } = this.#visit;
    const drawn = this.#drawn;
    this.#drawn = { step: state.step, identifier };
    if (drawn.identifier !== identifier) this.#picture.stopWatching();
    const isOther = drawn.identifier?.run !== identifier.run || drawn.step !== state.step;
    // They are about another photo or mode.
    if (isOther) this.#parent.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    if (drawn.step !== state.step) this.#turnTo(state);
    this.#correction.follow(state.entry, this.#visit);
    this.#picture.follow();
  }

  /** Switch to another photo, or to the live picture. */
  #turnTo({ entry, phase }) {
    this.#parts.photo.hideSpotlight();
    this.#correction.close();
    if (entry) this.#picture.stopWatching();
    else if (phase !== "taking") this.#parts.video.play().catch(() => {});
    // Recent photos are further down: scroll back up to the photo.
    const { root, square } = this.#parts;
    if (square.getBoundingClientRect().top < 0) root.scrollIntoView();
  }

  #render() {
    const part = render(this.#parts, this.#visit, this.#options, this.#picture, this.#handlers);
    this.#visit.permissions.note(part);
    this.#options.onDraw?.();
  }
}
