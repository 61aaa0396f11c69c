/**
 * "Teach": a few things are named and filmed, and this device learns to tell them apart. One
 * component for a page of its own and for Streamlit, where it is in a shadow root.
 *
 * What a visitor types is only ever set as text.
 */

import { linkStyles } from "./elements.mjs";
import { LivePicture } from "./live_picture.mjs";
import { connectFiles } from "./teach_files.mjs";
import { createHandlers } from "./teach_handlers.mjs";
import { createDonePage, createPhotosPage } from "./teach_pages.mjs";
import { draw, PhotoUrls } from "./teach_parts.mjs";
import { noProject, TeachProject } from "./teach_project.mjs";
import { createTeachParts, renderTeach } from "./teach_screen.mjs";
import { connectShutter, Recorder } from "./teach_shutter.mjs";
import { followTheme } from "./viewfinder_parts.mjs";
import { fetchMade } from "../engine/download.mjs";
import { LoupeError } from "../engine/errors.mjs";

const STYLES = ["tokens", "viewfinder", "answer", "dialog", "../teach"];
const [DESK_PX, LOW_PX] = [900, 500];

/** A desk, or a phone held sideways, as a page is that is zoomed to 200%. */
const layoutOf = (width) => {
  const isSideways = innerHeight < LOW_PX && width > innerHeight;
  return { isSideways, isDesk: width >= DESK_PX && !isSideways };
};

/**
 * Show "Teach" in an element.
 *
 * @param {Element | ShadowRoot} parent
 * @param {object} options
 * @param {string} options.folder address of `device/`
 * @param {"dark" | "light" | null} [options.theme] by default the system's
 * @param {string} [options.above] CSS length that the page keeps above
 * @param {string | null} [options.back] address of the viewfinder
 * @param {(base: string) => void} [options.onReady] is called once the base is loaded
 * @param {(name: string) => void} options.onUse is called with the name of a model in the store
 * @param {((zip: Blob, name: string, mode: string) => Promise<boolean>) | null} [options.onTrain]
 *   sends a project to the owner’s app; false if the app has photos with that name
 */
export function mountTeach(parent, options) {
  return new Teach(parent, options);
}

class Teach {
  /** @type {any} */
  state = {
    ...noProject(),
    /** "teach", "photos" or "done", and the label whose photos are shown. */
    ...{ screen: "teach", shown: "" },
    /** Ids of the photos that are chosen on that page, and of those with confirmed labels. */
    ...{ chosen: new Set(), confirmed: new Set() },
    /** The label that is recorded next, and the recording; see `Recorder`. */
    ...{ current: null, recording: null },
    ...{ isNaming: false, isUnfolded: false, isDesk: false, isSideways: false },
    /** Files that wait for their label's name. */
    pending: [],
    urls: new PhotoUrls(),
  };
  #unmounting = new AbortController();
  #applyTheme;
  #shown = "";

  constructor(parent, options) {
    this.parent = parent;
    this.options = { theme: null, above: "0px", back: null, ...options };
    const { signal } = this.#unmounting;
    this.on = createHandlers(this);
    /** @type {any} */
    this.parts = createTeachParts(this.on);
    const { root } = this.parts;
    this.#applyTheme = followTheme(root, { getTheme: () => this.options.theme, signal });
    // The camera's answers stop on the other pages.
    const entry = () => (this.state.screen === "teach" ? null : {});
    const context = () => ({ identifier: this.state.live, top: 3, entry: entry() });
    this.picture = new LivePicture(this.parts, context, () => this.#render());
    const { href, pathname: prefix } = new URL(options.folder, document.baseURI);
    const address = findBase(href, (note) => this.change({ note }));
    this.project = new TeachProject(this.state, this.change, { address, prefix }, signal);
    this.recorder = new Recorder(this);
    this.#render();
    this.#connect(signal);
    parent.append(root);
    linkStyles(root, STYLES).then(() => (root.hidden = false));
    this.picture.setLive(true);
    this.picture.start();
    this.project.loading.then((base) => base && this.options.onReady?.(base.info.name));
  }

  #connect(signal) {
    const { middle, root, picture, square, video } = this.parts;
    const onSpace = connectShutter(this, signal);
    connectFiles(root, { ...this.on, onSpace }, signal);
    const onHide = () => document.hidden && this.recorder.stop();
    document.addEventListener("visibilitychange", onHide, { signal });
    const observer = new ResizeObserver(() => {
      if (!this.state.isDesk) this.#shown = "";
      this.change(layoutOf(root.clientWidth));
      this.picture.place();
    });
    const list = middle.querySelector(".tv-list");
    for (const element of [root, picture, square, list]) observer.observe(element);
    signal.addEventListener("abort", () => observer.disconnect());
    video.addEventListener("resize", () => this.picture.place(), { signal });
  }

  /** Change options; the camera stays open. */
  update(options) {
    Object.assign(this.options, options);
    this.#applyTheme();
    this.#render();
  }

  unmount() {
    this.recorder.stop();
    this.#unmounting.abort();
    this.picture.destroy();
    this.state.urls.keep([]);
    this.parts.root.remove();
  }

  change = (changes) => {
    const { state } = this;
    Object.assign(state, changes);
    if ("project" in changes) {
      const { photos, labels } = state.project;
      state.urls.keep(photos);
      if (!labels.includes(state.current)) state.current = labels.at(-1) ?? null;
      if (state.screen === "photos" && !labels.includes(state.shown)) state.screen = "teach";
    }
    if (state.screen === "done" && !state.taught) state.screen = "teach";
    if ("live" in changes) this.picture.follow();
    this.#render();
    const { middle, page } = this.parts;
    const note = page.querySelector(".vf-alert") ?? middle.querySelector(".tv-note");
    if (changes.note) note?.scrollIntoView({ block: "nearest" });
  };

  /** Scroll the chosen label into view once it, or what else is on the screen, has changed. */
  #showChosen() {
    const { current, isNaming, recording } = this.state;
    const { middle, root } = this.parts;
    const { layout, screen } = root.dataset;
    const shown = JSON.stringify([current, isNaming, layout, screen, Boolean(recording)]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const wanted = isNaming ? ".tv-field" : ".tv-label:has([aria-current=true])";
    middle.querySelector(wanted)?.scrollIntoView({ block: "nearest" });
  }

  #render() {
    if (this.#unmounting.signal.aborted) return;
    const { main, page, root } = this.parts;
    const view = { ...this.state, options: this.options };
    const { screen } = view;
    const before = root.dataset.screen;
    root.dataset.layout = view.isDesk ? "desk" : view.isSideways ? "sideways" : "phone";
    root.dataset.screen = screen;
    root.style.setProperty("--above", this.options.above);
    [main.hidden, page.hidden] = [screen !== "teach", screen === "teach"];
    renderTeach(this.parts, view, this.picture, this.on);
    const create = screen === "photos" ? createPhotosPage : createDonePage;
    draw(page, ...(screen === "teach" ? [] : create(view, this.on)));
    this.#showChosen();
    if (!before || before === screen) return;
    this.picture.follow();
    (screen === "teach" ? this.parts.shutter : page.querySelector("button")).focus();
  }
}

/** The built-in one, where the app has it: it knows most. */
const PREFERRED = "imagenet";

/**
 * Return the address of the folder of the first model that can be taught; `say` shows what is
 * waited for. `folder` is the address of `device/`.
 */
export async function findBase(folder, say) {
  const fetchJson = async (path) => (await fetchMade(new URL(path, folder).href, say)).json();
  const { models } = await fetchJson("models/index.json");
  const rank = ({ name }) => (name === PREFERRED ? 0 : 1);
  for (const { name } of models.toSorted((a, b) => rank(a) - rank(b))) {
    const { graphs } = await fetchJson(`models/${name}/model.json`);
    if (graphs.small?.features) return new URL(`models/${name}/`, folder).href;
  }
  const none = "This app has no model that can be taught new labels on your device.";
  throw new LoupeError("no-such-model", none);
}
