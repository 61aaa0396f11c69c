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
    ...{ isOnline: true, serverMs: 300, serverStatus: 200, loadMs: null, deviceFails: false },
  };
  installClock();
  installCamera(world);
  installNetwork(world);
  installWorker(world);
  installReads();
  return world;
}

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

/** Let time pass: each timer at its moment. */
export async function pass(ms) {
  const end = now + ms;
  await settle();
  for (;;) {
    timers.sort((one, other) => one.at - other.at);
    if (!timers.length || timers[0].at > end) break;
    const { at, run } = timers.shift();
    now = Math.max(now, at);
    run();
    await settle();
  }
  now = end;
}

/** Keep the style sheets, which each visit links anew. */
export async function keepStyles() {
  const link = Object.getOwnPropertyDescriptor(HTMLLinkElement.prototype, "href");
  const kept = new Map();
  const names = "tokens viewfinder answer layouts dialog ask"
    .split(" ")
    .map((name) => `view/${name}`);
  for (const name of [...names, "streamlit", "header"]) {
    const url = new URL(`/device/${name}.css`, location.href).href;
    const text = await (await fetch(url)).text();
    kept.set(url, URL.createObjectURL(new Blob([text], { type: "text/css" })));
  }
  const set = function (url) {
    link.set.call(this, kept.get(url) ?? url);
  };
  Object.defineProperty(HTMLLinkElement.prototype, "href", { ...link, set });
}

const later = (ms, run) => setTimeout(run, ms);

function installClock() {
  window.setTimeout = (run, ms = 0, ...values) => {
    timers.push({ id: ++lastTimer, at: now + Math.max(0, Number(ms)), run: () => run(...values) });
    return lastTimer;
  };
  window.clearTimeout = (id) => (timers = timers.filter((timer) => timer.id !== id));
  performance.now = () => now;
  Date.now = () => start + now;
}

function installReads() {
  for (const name of ["arrayBuffer", "text"]) {
    const plain = Blob.prototype[name];
    Blob.prototype[name] = function () {
      reading++;
      return plain.call(this).finally(() => reading--);
    };
  }
  Object.defineProperty(window, "indexedDB", { value: undefined });
  HTMLImageElement.prototype.decode = async () => {};
  Object.defineProperty(HTMLImageElement.prototype, "naturalWidth", { value: 64 });
  Object.defineProperty(HTMLImageElement.prototype, "naturalHeight", { value: 64 });
}

/** Return a photo whose bytes say which one it is. */
export const photoOf = (name, kind = "jpg") =>
  new File([kind === "heic" ? `0000ftypheic ${name};` : `${name};`], `${name}.${kind}`);

function installCamera(world) {
  const track = {
    ...{ stop() {}, getSettings: () => ({ deviceId: "1" }), getCapabilities: () => ({}) },
    ...{ muted: false, label: "", readyState: "live" },
  };
  const devices = {
    getUserMedia: async () => ({ getVideoTracks: () => [track] }),
    enumerateDevices: async () => [{ kind: "videoinput", deviceId: "1", label: "" }],
  };
  Object.defineProperty(navigator, "mediaDevices", { value: devices });
  navigator.permissions.query = async () => Object.assign(new EventTarget(), { state: "granted" });
  const video = HTMLVideoElement.prototype;
  Object.defineProperty(video, "srcObject", { writable: true, value: null });
  Object.defineProperty(video, "videoWidth", { value: 640 });
  Object.defineProperty(video, "videoHeight", { value: 480 });
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
      await new Promise((resolve) => later(world.takeMs, resolve));
      return photoOf(name);
    }
  };
}

function installWorker(world) {
  const { info, answer } = world.given;
  const pictureOf = async (source) => (await source.text()).replace(/;.*/s, "");
  const calls = {
    canPrepare: async () => true,
    async load({ address }) {
      const name = address.match(/models\/(.*)\//)[1];
      while (world.loadMs === null) await new Promise((resolve) => later(50, resolve));
      await new Promise((resolve) => later(world.loadMs, resolve));
      if (world.deviceFails) throw { code: "engine-unavailable", message: "No memory." };
      return { ...info, name, graph: "small" };
    },
    async prepare({ source }) {
      if ((await source.text()).includes("ftyp")) throw { code: "unsupported-format", message: "" };
      await new Promise((resolve) => later(30, resolve));
      return { bytes: new TextEncoder().encode(`${await pictureOf(source)};`), packed: false };
    },
    async identify({ source }) {
      await new Promise((resolve) => later(60, resolve));
      if (world.deviceFails) throw { code: "engine-unavailable", message: "No memory." };
      if ((await source.text()).includes("ftyp")) throw { code: "unsupported-format", message: "" };
      return { ...answer.prediction, ...{ runs_in: "device", engine: "wasm", graph: "small" } };
    },
    async explain() {
      return { label: answer.prediction.candidates[0].label, rows: 1, columns: 1, heat: [1] };
    },
  };
  window.Worker = class {
    #isEnded = false;
    async postMessage({ number, name, values }) {
      const reply = await calls[name](values).then(
        (result) => ({ number, result }),
        (error) => ({ number, error: { code: error.code, message: `${error.message}` } }),
      );
      const address = values.address ?? "";
      if (name === "load" && reply.result) this.model = address.match(/models\/(.*)\//)[1];
      if (name === "identify" && reply.result) reply.result.model = this.model;
      if (!this.#isEnded) this.onmessage({ data: reply });
    }
    terminate() {
      this.#isEnded = true;
    }
  };
}

function installNetwork(world) {
  const { answer, described, isNear } = world.given;
  const entries = [{ name: `${location.origin}/a`, transferSize: 1, duration: isNear ? 3 : 90 }];
  performance.getEntriesByType = () => entries;
  window.fetch = async (url, options = {}) => {
    if (options.body) throw new Error("A body was sent by fetch.");
    if (!world.isOnline) throw new TypeError("Failed to fetch");
    const { pathname } = new URL(url, location.href);
    if (/\/v1\/models\//.test(pathname)) return Response.json(described);
    if (pathname.endsWith("model.json")) return Response.json(null, { status: 404 });
    const name = `photo${world.photos}`;
    await new Promise((resolve) => later(world.takeMs, resolve));
    return new Response(photoOf(name));
  };
  window.XMLHttpRequest = class {
    upload = {};
    status = 0;
    #ended = false;
    #url;
    #request;
    open(_, url) {
      this.#url = new URL(url, location.href);
    }
    setRequestHeader() {}
    getResponseHeader() {
      return null;
    }
    async send(body) {
      const { pathname, searchParams } = this.#url;
      const route = pathname.replace(/.*\/session\//, "");
      const part = body instanceof FormData ? body.get("photo") : body;
      const text = part instanceof Blob ? part.text() : Promise.resolve("");
      const { isOnline } = world;
      const request = { route, model: searchParams.get("model"), isOnline, isOpen: true };
      this.#request = request;
      this.upload.onloadstart?.();
      if (isOnline) world.requests.push(request);
      request.photo = (await text).replace(/^0000ftypheic |;.*/gs, "");
      world.onRequest?.(request);
      if (this.#ended) return;
      if (!isOnline) return void later(15, () => this.#end("onerror"));
      // As recorded from Chromium: the first progress after 100 ms, or with the response.
      const loaded = body instanceof FormData ? 1000 : body.size;
      for (let ms = Math.min(100, world.serverMs); ms <= world.serverMs; ms += 20_000) {
        later(ms, () => this.#ended || this.upload.onprogress?.({ loaded }));
      }
      later(world.serverMs, () => {
        if (!world.isOnline) return this.#end("onerror");
        this.status = world.serverStatus;
        this.response = this.#respond(route, searchParams);
        return this.#end("onload");
      });
    }
    #respond(route, query) {
      if (this.status !== 200) return { code: "busy", detail: "Busy." };
      const { candidates } = answer.prediction;
      if (route === "correction") return { number: 1 };
      if (route.endsWith("explanation")) {
        return { label: candidates[0].label, rows: 1, columns: 1, heat: [1] };
      }
      const model = query.get("model");
      const token = `${model}~${answer.token.replace(/^[^~]*~/, "")}`;
      return { ...answer, token, prediction: { ...answer.prediction, model } };
    }
    #end(name) {
      if (this.#ended) return;
      this.#ended = true;
      this.#request.isOpen = false;
      this[name]?.();
      this.onloadend?.();
    }
    abort() {
      this.#end("onabort");
    }
  };
}

/** Streamlit around the component: the page's script follows its messages after a while. */
export class Host {
  /** Data of the script. */
  data;
  #create;
  #element = null;
  #leave = null;

  constructor(create, data) {
    this.#create = create;
    this.data = data;
  }

  get root() {
    return this.#element?.querySelector(".vf") ?? null;
  }

  get isOpen() {
    return this.#element !== null;
  }

  async open() {
    const isDrawn = new Promise((done) => addEventListener("viewfinder", done, { once: true }));
    const host = document.createElement("div");
    document.body.append(host);
    this.#element = host.attachShadow({ mode: "open" });
    this.#run();
    await isDrawn;
  }

  /** Go to another page of the app. */
  leave() {
    this.#leave();
    this.#element.host.remove();
    this.#element = null;
  }

  #run() {
    const setTriggerValue = (name, value) =>
      name === "messages" && later(150, () => this.#hear(value));
    this.#leave = this.#create({ parentElement: this.#element, data: this.data, setTriggerValue });
  }

  #hear(messages) {
    if (!this.isOpen) return;
    const changes = { heard: this.data.heard };
    for (const { id, name, value } of messages.filter(({ id }) => id > this.data.heard)) {
      changes.heard = id;
      if (name === "model" || name === "run") changes[name] = value;
      if (name === "opened") Object.assign(changes, { open: value }, value && modelIn(value));
    }
    this.data = { ...this.data, ...changes };
    this.#run();
  }
}

const modelIn = (token) => ({ model: token.split("~")[0] });
