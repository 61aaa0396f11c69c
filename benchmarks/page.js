/** What benchmarks run in a measured page; `browser.py` loads it before the page's own scripts. */

globalThis.bench = {
  /** Find elements, also in the shadow roots of components. */
  find(selector, root = document) {
    const inner = [...root.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot);
    const below = inner.filter(Boolean).flatMap((each) => bench.find(selector, each));
    return [...root.querySelectorAll(selector), ...below];
  },

  isVisible: (selector) => bench.find(selector).some((element) => element.checkVisibility()),

  text(selector, other = "") {
    const shown = bench.find(selector).filter((element) => element.checkVisibility());
    const texts = shown.map((element) => element.innerText?.trim());
    return texts.find((text) => text && text !== other) ?? "";
  },

  /**
   * Start to wait for an answer other than `after`; `answered` then resolves to the milliseconds
   * since a photo was chosen, and the answer's text. Playwright polls only every 500 ms.
   */
  watchAnswer(answer, after, limit) {
    let chosenAt = null;
    addEventListener("input", () => (chosenAt ??= performance.now()), { capture: true });
    const openedAt = performance.now();
    bench.answered = new Promise((resolve) => {
      const poll = () => {
        const elapsed = chosenAt === null ? 0 : performance.now() - chosenAt;
        const text = elapsed ? bench.text(answer, after) : "";
        if (text || performance.now() - openedAt > limit) resolve([elapsed, text]);
        else requestAnimationFrame(poll);
      };
      poll();
    });
  },

  /** Note in `marks` when each event of a first visit happened, in seconds by the page's clock. */
  markEvents(take, answer) {
    const place = () => bench.text(".vf-where");
    const events = {
      words: () => bench.text("body, main"),
      take: () => bench.find(take).some((element) => element.matches("input")) || bench.text(take),
      answer: () => bench.text(answer),
      mounted: () => bench.isVisible(".vf"),
      shutter: () =>
        bench.isVisible(".vf-shutter") &&
        bench.find(".vf-video").some(({ readyState }) => readyState > 1),
      chart: () => bench.find(".st-key-chart svg.marks").length,
      fetching: () => place().includes("Fetching"),
      // The page says the same before it begins to fetch.
      device: () =>
        "fetching" in bench.marks && place().includes("On this device: the photo stays here"),
    };
    bench.marks = {};
    setInterval(() => {
      for (const [name, has] of Object.entries(events)) {
        if (!(name in bench.marks) && document.body && has()) {
          bench.marks[name] = performance.now() / 1000;
        }
      }
    }, 50);
  },

  /** Open the camera and load a model, for `watchCamera`. */
  async openCamera(folder) {
    const { load } = await import("/device/loupe.mjs");
    bench.video = Object.assign(document.createElement("video"), { muted: true });
    document.body.append(bench.video);
    const size = { width: 640, height: 480 };
    bench.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: size });
    await bench.video.play();
    bench.model = await load(folder);
  },

  /** Return the times of all predictions, in seconds. */
  async watchCamera(seconds) {
    const options = { maxPerSecond: 60, signal: AbortSignal.timeout(seconds * 1000) };
    const times = [];
    for await (const _ of bench.model.watch(bench.video, options)) {
      times.push(performance.now() / 1000);
    }
    return times;
  },

  /** Identify a frame again and again; return the milliseconds of each, and of its network. */
  async identifyFrames(count) {
    const photo = await createImageBitmap(await (await fetch("/photo.jpg")).blob());
    const canvas = new OffscreenCanvas(640, 480);
    canvas.getContext("2d").drawImage(photo, 0, 0, 640, 480);
    const [frames, networks] = [[], []];
    for (let frame = 0; frame < count; frame++) {
      const started = performance.now();
      const { network } = await identify(canvas);
      frames.push(performance.now() - started);
      networks.push(network);
      // As between the frames of a video, the browser gets a turn.
      await new Promise((resolve) => setTimeout(resolve));
    }
    return [frames, networks];
  },

  async identifyPhotos(names) {
    const labels = [];
    for (const name of names) {
      const photo = await (await fetch(`/photos/${encodeURIComponent(name)}`)).blob();
      labels.push((await identify(photo)).label);
    }
    return labels;
  },

  /** Run a small graph by each engine in turn; return the milliseconds of each engine's rounds. */
  async runEngines(hasKernels, rounds, module) {
    const fetchBytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
    const { openKernels } = await import("/device/engine/kernels.mjs");
    const { Network } = await import("/device/engine/network.mjs");
    const { open } = await import("/device/engine/onnx_session.mjs");
    const pixels = Uint8Array.from({ length: 224 * 224 * 3 }, (_, place) => (place * 7919) >> 3);
    const engines = [];
    for (const kernels of hasKernels ? ["kernels", "kernels-relaxed"] : []) {
      engines.push(new Network(await fetchBytes("/packed"), await openKernels(kernels)));
    }
    const model = { runtime: { module }, recipe: { resize: [224, 224] } };
    const bytes = [await fetchBytes("/wasm"), await fetchBytes("/graph")];
    engines.push(await open(bytes, { address: location.href, model }));
    const times = engines.map(() => []);
    for (let round = 0; round <= rounds; round++) {
      for (const [place, engine] of engines.entries()) {
        const started = performance.now();
        await engine.run(pixels);
        if (round) times[place].push(performance.now() - started);
      }
    }
    return times;
  },
};
