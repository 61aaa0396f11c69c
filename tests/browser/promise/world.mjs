/**
 * What the viewfinder meets, as fakes on a clock of their own: camera, canvas, worker, network, and
 * Streamlit around it. Everything else is real.
 */

const plainTimeout = window.setTimeout.bind(window);
const start = Date.now();
let now = 0;
let timers = [];
let lastTimer = 0;
/** Reads that the browser does in its own time, until they end. */
let reading = 0;

/** @param {any} given what the test passes: `info` and `answer` of a model, `isNear` */
export function createWorld(given) {
  const world = {
    ...{ given, requests: [], photos: 0, takes: "camera", takeMs: 400, canEncode: true },
    /** Paths of the history entries since the visit began, and the index of the current one. */
    ...{ paths: ["/"], at: 0 },
    ...{ isOnline: true, serverMs: 300, serverStatus: 200, loadMs: null, deviceError: null },
    /** The token of the server's session, which a restart ends. */
    session: "1",
    /** Names of photos by their URLs. */
    names: new Map(),
    /** Time from a page load until Streamlit has loaded, in milliseconds. */
    earlyMs: 1500,
    /** Time until the page's script has run, in milliseconds. */
    scriptMs: 150,
  };
  for (const install of [installBrowser, installCamera, installNetwork, installWorker]) {
    install(world);
  }
  return world;
}

/** Wait in real time, which the browser's own work takes. */
export const realTime = (ms) => new Promise((resolve) => plainTimeout(resolve, ms));

/** Let promises and the browser's own reads settle. */
export async function settle() {
  for (let idle = 0; idle < 4; idle = reading ? 0 : idle + 1) {
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
    if (reading) await new Promise((resolve) => plainTimeout(resolve));
  }
}

/** Let time pass and run each timer that is due, at most until a condition holds. */
export async function pass(ms, holds = () => false) {
  const end = now + ms;
  for (;;) {
    await settle();
    timers.sort((one, other) => one.at - other.at);
    if (holds()) return;
    if (!timers.length || timers[0].at > end) break;
    const { at, run } = timers.shift();
    now = Math.max(now, at);
    run();
  }
  now = end;
}

const later = (ms, run) => setTimeout(run, ms);
const sleep = (ms) => new Promise((resolve) => later(ms, resolve));
const define = (object, name, value) =>
  Object.defineProperty(object, name, { value, configurable: true, writable: true });

/** Return a photo whose bytes say which one it is. */
export const photoOf = (name, kind = "jpg") =>
  new File([kind === "heic" ? `0000ftypheic ${name};` : `${name};`], `${name}.${kind}`);

/** Return the percentage that every model gives a photo, by the number in its name. */
export const percentOf = (name) => 99 - (Number(name.match(/\d+/)[0]) % 60);

/** Return a model's prediction for a photo. */
function predict({ prediction }, model, name) {
  const [first, ...others] = prediction.candidates;
  const candidates = [{ ...first, probability: percentOf(name) / 100 }, ...others];
  return { ...prediction, model, candidates };
}

/** Choose a file, as with a file chooser. */
export function choose(input, file) {
  define(input, "files", [file]);
  define(input, "value", "");
  input.onchange();
}

export function setHidden(isHidden) {
  define(document, "hidden", isHidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

function installBrowser(world) {
  window.setTimeout = (run, ms = 0, ...values) => {
    timers.push({ id: ++lastTimer, at: now + Math.max(0, Number(ms)), run: () => run(...values) });
    return lastTimer;
  };
  window.clearTimeout = (id) => (timers = timers.filter((timer) => timer.id !== id));
  window.requestAnimationFrame = (run) => setTimeout(run, 16);
  performance.now = () => now;
  Date.now = () => start + now;
  for (const name of ["arrayBuffer", "text"]) {
    const plain = Blob.prototype[name];
    Blob.prototype[name] = function () {
      reading++;
      return plain.call(this).finally(() => reading--);
    };
  }
  define(window, "indexedDB", undefined);
  const { createObjectURL } = URL;
  URL.createObjectURL = (file) => {
    const url = createObjectURL(file);
    world.names.set(url, file.name?.replace(/\..*/, ""));
    return url;
  };
  const push = history.pushState.bind(history);
  history.pushState = (...values) => {
    push(...values);
    world.paths = [...world.paths.slice(0, ++world.at), location.pathname];
  };
  define(navigator, "clipboard", { read: () => sleep(100).then(() => []) });
  HTMLImageElement.prototype.decode = async () => {};
  define(HTMLImageElement.prototype, "naturalWidth", 64);
  define(HTMLImageElement.prototype, "naturalHeight", 64);
  // Style sheets don't matter here, and each visit would fetch them.
  const set = function () {
    queueMicrotask(() => this.onload?.());
  };
  Object.defineProperty(HTMLLinkElement.prototype, "href", { set });
}

function installCamera(world) {
  const track = {
    ...{ stop() {}, getSettings: () => ({ deviceId: "1" }), getCapabilities: () => ({}) },
    ...{ muted: false, label: "", readyState: "live" },
  };
  define(navigator, "mediaDevices", {
    getUserMedia: async () => ({ getVideoTracks: () => [track] }),
    enumerateDevices: async () => [{ kind: "videoinput", deviceId: "1", label: "" }],
  });
  navigator.permissions.query = async () => Object.assign(new EventTarget(), { state: "granted" });
  const video = HTMLVideoElement.prototype;
  define(video, "srcObject", null);
  define(video, "videoWidth", 640);
  define(video, "videoHeight", 480);
  Object.assign(video, { play: async () => {}, pause() {} });
  CanvasRenderingContext2D.prototype.drawImage = () => {};
  HTMLCanvasElement.prototype.toBlob = function (done) {
    const { canEncode } = world;
    world.canEncode = true;
    const name = this.width === 64 ? "copy" : `photo${world.photos}`;
    later(20, () => done(canEncode ? photoOf(name) : null));
  };
  window.ImageCapture = class {
    async takePhoto() {
      const name = `photo${world.photos}`;
      if (world.takes !== "camera") throw new Error("It takes none.");
      await sleep(world.takeMs);
      return photoOf(name);
    }
  };
}

function installWorker(world) {
  const { info, answer } = world.given;
  const fail = (code) => Promise.reject({ code, message: "It failed." });
  const check = (text) => text.includes("ftyp") && fail("unsupported-format");
  const calls = {
    canPrepare: async () => true,
    async load() {
      while (world.loadMs === null) await sleep(700);
      await sleep(world.loadMs);
      if (world.deviceError === "engine-unavailable") await fail(world.deviceError);
      return { ...info, name: this.model, graph: "small" };
    },
    async prepare({ source }) {
      const text = await source.text();
      await check(text);
      await sleep(30);
      return { bytes: new TextEncoder().encode(text), packed: false };
    },
    async identify({ source }) {
      await sleep(60);
      const text = await source.text();
      await (world.deviceError ? fail(world.deviceError) : check(text));
      const about = { runs_in: "device", engine: "wasm", graph: "small" };
      return { ...predict(answer, this.model, text), ...about };
    },
    explain: async () => explanation(answer),
    chooseKernels: async () => null,
  };
  window.Worker = class {
    async postMessage({ number, name, values }) {
      this.model ??= values.address?.match(/models\/(.*)\//)[1];
      const reply = await calls[name].call(this, values).then(
        (result) => ({ number, result }),
        ({ code, message }) => ({ number, error: { code, message } }),
      );
      if (!this.isEnded) this.onmessage({ data: reply });
    }
    terminate() {
      this.isEnded = true;
    }
  };
}

const explanation = ({ prediction }) => ({
  ...{ label: prediction.candidates[0].label, rows: 1, columns: 1, heat: [1] },
});

function installNetwork(world) {
  const { answer, described, isNear } = world.given;
  const wordsOf = (model, percent) => {
    const { prediction: _, ...words } = answer;
    const percents = [`${percent}%`, ...words.percents.slice(1)];
    return { ...words, percents, token: `${model}~x~c~x~x~0-${10 * percent}` };
  };
  const respond = ({ route, model, photo }) => {
    if (route === "correction") return { id: 1 };
    const { label } = explanation(answer);
    const words = wordsOf(model, percentOf(photo));
    return { ...predict(answer, model, photo), words, explanation: { label, heat: [[1]] } };
  };
  const read = (token) => {
    const [, model, percent] = token.match(/^(.*?)~.*-(\d+)0(_|$)/) ?? [];
    const words = { ...wordsOf(model, percent), token, where: null, milliseconds: null };
    const [first, ...others] = answer.prediction.candidates;
    const candidates = [{ ...first, probability: percent / 100 }, ...others];
    const prediction = { ...answer.prediction, model, candidates };
    return Response.json({ answer: { ...words, prediction }, note: "A link.", earlier: "" });
  };
  const entries = [{ name: `${location.origin}/a`, transferSize: 1, duration: isNear ? 3 : 90 }];
  performance.getEntriesByType = () => entries;
  window.fetch = async (url, options = {}) => {
    if (options.body) throw new Error("A body was sent by fetch.");
    if (!world.isOnline) throw new TypeError("Failed to fetch");
    const { pathname, searchParams } = new URL(url, location.href);
    if (pathname.endsWith("/session/")) return Response.json({ token: world.session });
    if (/\/v1\/models\//.test(pathname)) return Response.json(described);
    if (pathname.endsWith("/answers")) return read(searchParams.get("token"));
    if (pathname.endsWith("model.json")) return Response.json(null, { status: 404 });
    const name = `photo${world.photos}`;
    await sleep(world.takeMs);
    return new Response(photoOf(name));
  };
  window.XMLHttpRequest = class {
    upload = {};
    status = 0;
    #request = { isOpen: true, route: "", model: null };
    open(_, address) {
      const { pathname, searchParams } = new URL(address, location.href);
      const kind = searchParams.has("pixels") ? "pixels" : "photo";
      const route = searchParams.has("explain") ? `${kind}/explanation` : kind;
      this.#request.route = pathname.endsWith("corrections") ? "correction" : route;
      this.#request.model = searchParams.get("model");
    }
    setRequestHeader(name, value) {
      if (name === "Loupe-Session") this.#request.session = value;
    }
    getResponseHeader() {}
    async send(body) {
      const { isOnline, serverMs } = world;
      const part = body instanceof FormData ? body.get("photo") : body;
      const text = part instanceof Blob ? part.text() : "";
      this.upload.onloadstart?.();
      if (isOnline) world.requests.push(this.#request);
      this.#request.photo = (await text).replace(/^0000ftypheic |;.*/gs, "");
      if (!isOnline) return void later(15, () => this.#end("onerror"));
      world.onRequest(this.#request);
      // As recorded from Chromium: the first progress after 100 ms, or with the response.
      for (let ms = Math.min(100, serverMs); ms <= serverMs; ms += 20_000) {
        later(ms, () => this.#request.isOpen && this.upload.onprogress?.({ loaded: 1000 }));
      }
      later(serverMs, () => {
        if (!world.isOnline) return this.#end("onerror");
        const isKnown = this.#request.session === world.session;
        this.status = isKnown ? world.serverStatus : 403;
        const refusal = { code: isKnown ? "busy" : "no-session" };
        this.response = this.status === 200 ? respond(this.#request) : refusal;
        return this.#end("onload");
      });
    }
    #end(name) {
      if (!this.#request.isOpen) return;
      this.#request.isOpen = false;
      this[name]?.();
      this.onloadend?.();
    }
    abort() {
      this.#end("onabort");
    }
  };
}

/** Streamlit around the component: it runs the script some time after the address changes. */
export class Host {
  #component;
  #world;
  /** Whether Streamlit has loaded. */
  #isHere = false;
  #element = null;
  #drawn = null;
  #leave = null;
  #app = document.createElement("div");
  #chart = Object.assign(document.createElement("div"), { className: "st-key-chart" });
  #follow = () => later(this.#world.scriptMs, () => this.#isHere && this.#run());

  /** @param {any} component its module @param {any} data of the script @param {any} world */
  constructor(component, data, world) {
    this.#component = component;
    this.#world = world;
    this.data = data;
  }

  get root() {
    const early = document.querySelector("#early > .vf-host");
    const own = early ?? this.#element?.querySelector(".vf-host");
    return (own?.shadowRoot ?? this.#element)?.querySelector(".vf") ?? null;
  }
  get isOpen() {
    return this.#element !== null;
  }
  set isConnected(isConnected) {
    this.#app.setAttribute("data-test-connection-state", isConnected ? "CONNECTED" : "CONNECTING");
  }

  /** @param {boolean} [isLoaded] whether the document was just loaded */
  async open(isLoaded = true) {
    const isDrawn = new Promise((done) => addEventListener("viewfinder", done, { once: true }));
    const host = document.createElement("div");
    this.isConnected = true;
    document.body.append(this.#app, host, this.#chart);
    this.#element = host.attachShadow({ mode: "open" });
    this.#isHere = !isLoaded;
    this.#drawn = null;
    addEventListener("popstate", this.#follow);
    if (isLoaded) {
      const early = { session: null, chart: null, isEarly: true };
      this.#component.showEarly({ ...this.data, ...early });
      later(this.#world.earlyMs, () => this.#arrive(host));
    } else this.#run();
    await isDrawn;
  }

  /** Streamlit has loaded: run the script. */
  #arrive(host) {
    if (this.#isHere || this.#element?.host !== host) return;
    this.#isHere = true;
    this.#run();
  }

  /** Go to another page of the app. */
  leave() {
    // Only Streamlit can show another page.
    this.#arrive(this.#element.host);
    history.pushState(null, "", "/about");
    this.#close();
  }

  /** Reload the document. */
  reload() {
    dispatchEvent(new PageTransitionEvent("pagehide", { persisted: false }));
    this.#arrive(this.#element.host);
    this.#close();
    return this.open();
  }

  #close() {
    removeEventListener("popstate", this.#follow);
    this.#element.host.remove();
    this.#app.remove();
    this.#chart.remove();
    this.#element = null;
    // Streamlit ends the call of an element that it has removed.
    this.#leave();
  }

  /** Return by the page's link, which names no answer. */
  back() {
    history.pushState(null, "", "/");
    return this.open(false);
  }

  /** Close the document. */
  end() {
    if (this.isOpen) this.leave();
    dispatchEvent(new PageTransitionEvent("pagehide", { persisted: false }));
    history.replaceState(null, "", "/");
  }

  /** The token of the visible chart, or null. */
  get chart() {
    return this.#chart.style.visibility === "hidden" ? null : this.#drawn;
  }

  #run() {
    if (!this.isOpen) return;
    const chart = new URL(location.href).searchParams.get("answer");
    this.#drawn = chart;
    const data = { ...this.data, session: this.#world.session, chart };
    this.#leave = this.#component.default({ parentElement: this.#element, data, setTriggerValue() {} });
  }
}
