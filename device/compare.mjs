/**
 * One photo answered by each way, and timed: a component of Streamlit.
 *
 * The ways take turns, so that a slow moment slows all of them. The app gets numbers only.
 */

import { LoupeError, phraseError } from "./engine/errors.mjs";
import { createButton, h } from "./view/elements.mjs";
import { Identifier } from "./visit/identifier.mjs";
import { createPanel } from "./view/streamlit_component.mjs";

const TOP = 50;

/** Longest time until a way is ready, in milliseconds: a small server takes long to load torch. */
const READY_MS = 120_000;

/** Error codes that a server returns while it loads a model, if that takes longer than `SLOW_MS`. */
const LOADING = new Set(["busy", "unreachable"]);
const SLOW_MS = 10_000;

const NO_SAMPLE = "This photo can’t be fetched. Check the connection, then try again.";

/** Show the choice of a photo; `data` comes from `ui/compare_page.py`. */
export default createPanel("../compare", () => new Screen());

class Screen {
  #data = null;
  #send = null;
  #stop = null;
  root = h("div.compare");
  #picture = h("img.picture", { alt: "Your photo", hidden: true });
  #samples = h("div.samples", { role: "group", ariaLabel: "Samples" });
  // A phone may pay for what it fetches.
  #isFrugal = navigator.connection?.saveData || matchMedia("(pointer: coarse)").matches;
  #full = h("input", { type: "checkbox", checked: !this.#isFrugal });
  #fullSize = h("span");
  #fullRow = h("label.option", this.#full, this.#fullSize);
  #file = h("input", { type: "file", hidden: true, onchange: () => this.#choose() });
  #status = h("p.status", { role: "status" });
  #progress = h("progress", { max: 1, value: 0, hidden: true, ariaLabel: "Comparing" });
  #stopButton = createButton("stop", "Stop", { onclick: () => this.#stop?.abort() });

  constructor() {
    const onclick = () => this.#file.click();
    const choose = createButton("main", "Choose a photo", { icon: "camera", onclick });
    this.#stopButton.hidden = true;
    this.root.append(this.#picture, this.#status, this.#progress, this.#stopButton);
    this.root.append(this.#samples, this.#fullRow, choose, this.#file);
  }

  update(data, send) {
    const isOther = this.#data?.model !== data.model || this.#data?.token !== data.token;
    if (this.#data && isOther) this.#stop?.abort();
    if (this.#data?.model !== data.model) this.#showSamples(data.samples);
    this.#data = data;
    this.#send = send;
    this.#fullRow.hidden = !data.downloads;
    const size = data.fullSize ? ` (${data.fullSize} at a first visit)` : "";
    this.#fullSize.textContent = `Also the full graph on this device${size}`;
  }

  close() {
    this.#stop?.abort();
    URL.revokeObjectURL(this.#picture.src);
  }

  #showSamples(samples) {
    this.#samples.replaceChildren();
    this.#samples.hidden = !samples.length;
    for (const { title, alt, url, thumbnail } of samples) {
      const onclick = async () => {
        this.#stop?.abort();
        const stop = (this.#stop = new AbortController());
        const response = await fetch(url).catch(() => null);
        const photo = response?.ok ? await response.blob().catch(() => null) : null;
        if (stop !== this.#stop) return;
        if (photo) this.#compare(photo);
        else this.#status.textContent = NO_SAMPLE;
      };
      const picture = h("img", { src: thumbnail, alt, loading: "lazy" });
      this.#samples.append(h("button", { type: "button", title, onclick }, picture));
    }
  }

  #choose() {
    const [photo] = this.#file.files;
    this.#file.value = "";
    if (photo) this.#compare(photo);
  }

  async #compare(photo) {
    this.#stop?.abort();
    const stop = (this.#stop = new AbortController());
    URL.revokeObjectURL(this.#picture.src);
    this.#picture.src = URL.createObjectURL(photo);
    this.#picture.hidden = this.#progress.hidden = this.#stopButton.hidden = false;
    const show = (text, share = this.#progress.value) => {
      this.#status.textContent = text;
      this.#progress.value = share;
    };
    const data = this.#data;
    try {
      const ways = await measure(photo, data, this.#full.checked, show, stop.signal);
      show("");
      this.#send("measured", { model: data.model, bytes: photo.size, ways });
    } catch (error) {
      if (stop !== this.#stop) return;
      this.#picture.hidden = true;
      show(stop.signal.aborted ? "Stopped." : phraseError(error, error.message));
    } finally {
      if (stop === this.#stop) this.#progress.hidden = this.#stopButton.hidden = true;
    }
  }
}

/**
 * Answer a photo by every way, in turns. Return for each way `{way, failed}` or what `report` does.
 *
 * @throws {LoupeError} if no way answers
 */
async function measure(photo, data, isFull, show, signal) {
  const ways = waysOf(data, isFull);
  try {
    for (const way of ways) {
      show(`${way.title}: getting ready`, 0);
      // The first answer loads what is needed, and isn't counted.
      await prepare(way, photo, signal);
    }
    const running = ways.filter((way) => !way.failed);
    for (let turn = 0; turn < data.tries; turn++) {
      for (const way of running) {
        show(`${way.title}: ${turn + 1} of ${data.tries}`, turn / data.tries);
        if (way.failed) continue;
        const started = performance.now();
        const answer = await attempt(way, photo, signal);
        if (answer) way.tries.push({ wall: performance.now() - started, answer });
      }
    }
    // The server's reason, which is about the photo, before the device's.
    if (ways.every(({ failed }) => failed)) throw ways.at(-1).failed;
    return ways.map((way) => report(way, photo, data.labels));
  } finally {
    for (const way of ways) way.identifier.close();
  }
}

function waysOf(data, isFull) {
  const { model } = data;
  const server = { url: `${data.base}api/v1/`, token: data.token, model };
  const address = `${data.base}device/models/${data.model}/`;
  const count = data.downloads ? (isFull ? 2 : 1) : 0;
  const graphs = /** @type {const} */ (["small", "full"]).slice(0, count);
  return [
    ...graphs.map((graph) => ({
      way: graph,
      title: `On this device, ${graph} graph`,
      identifier: new Identifier({ address, run: "device", graph }),
    })),
    ...data.engines.map((engine) => ({
      way: engine,
      title: `On the server, ${engine} engine`,
      identifier: new Identifier({ model, server: { ...server, engine }, run: "server" }),
    })),
  ].map((way) => ({ ...way, tries: [], failed: null }));
}

/** Get a way's first answer, with further attempts while its server still loads the model. */
async function prepare(way, photo, signal) {
  const started = performance.now();
  let attempted;
  do {
    way.failed = null;
    attempted = performance.now();
    await attempt(way, photo, signal);
  } while (
    LOADING.has(way.failed?.code) &&
    performance.now() - attempted > SLOW_MS &&
    performance.now() - started < READY_MS
  );
}

/** Return a way's answer, or null if it has failed. */
async function attempt(way, photo, signal) {
  try {
    const { model, api: host } = way.identifier;
    // The page says before a photo is chosen that the server gets the file.
    const terms = { model, host, photo, isFileAllowed: true, signal };
    const permission = { ...terms, part: /** @type {const} */ ("file") };
    return await way.identifier.identify(photo, { top: TOP, signal, permission });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof LoupeError)) throw error;
    way.failed = error;
    return null;
  }
}

function report({ way, identifier, tries, failed }, photo, labels) {
  if (failed) return { way, failed: failed.code };
  const sorted = tries.toSorted((one, other) => one.wall - other.wall);
  const { wall, answer } = sorted[Math.floor(sorted.length / 2)];
  const { version, candidates, known, novelty, plausible, milliseconds } = answer.prediction;
  const { decode, preprocess, engine, total } = milliseconds;
  const isDevice = answer.where === "device";
  const queue = answer.queue_ms ?? 0;
  const indexOf = (label) => labels.indexOf(label);
  return {
    way,
    version,
    known,
    novelty,
    downloaded: isDevice ? identifier.state.total : 0,
    sent: isDevice ? 0 : photo.size,
    labels: candidates.map(({ label, probability }) => [indexOf(label), probability]),
    plausible: plausible && plausible.slice(0, candidates.length).map(indexOf),
    times: { travel: Math.max(0, wall - total - queue), queue, decode, preprocess, engine },
  };
}
