/**
 * The worker of a model: downloads, decodes, resizes, runs the graph and tests it.
 */

import { centreBox, preprocess } from "./preprocess.mjs";
import { predict } from "./prediction.mjs";

/** Limits of the server, so that a photo is refused by both or by neither. */
const MAX_BYTES = 20 * 2 ** 20;
const MAX_PIXELS = 100e6;

const DECODING = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/** What stays in memory once a model is loaded. */
let model = null;
let session = null;
let ort = null;
let graphName = "";

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const calls = { load, identify };

onmessage = async ({ data: { number, name, values } }) => {
  try {
    postMessage({ number, result: await calls[name](values) });
  } catch (error) {
    const code = error.code && typeof error.code === "string" ? error.code : "engine-unavailable";
    postMessage({ number, error: { code, message: error.message } });
  }
};

async function load({ address, graph }) {
  model = await fetchModel(address);
  graphName = graph;
  const entry = model.graphs[graph];
  if (!entry) throw new Refused("no-such-model", `${model.name} has no graph '${graph}'.`);
  await testPixels();
  const [wasm, bytes, golden] = await downloadAll(address, entry);
  ort = await import(new URL(model.runtime.module, address).href);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1;
  try {
    session = await ort.InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      // The small graph's weights are widened once, at load.
      extra: { session: { disable_quant_qdq: "1" } },
    });
  } catch (error) {
    throw new Refused("bundle-damaged", `The graph can't be loaded: ${error.message}`);
  }
  await testGolden(entry.golden, golden);
  const { graphs, runtime, ...info } = model;
  return { ...info, graph, calibrated: entry.calibration !== null };
}

async function fetchModel(address) {
  const url = new URL("model.json", address);
  let response;
  try {
    response = await fetch(url, { cache: "no-cache" });
  } catch {
    throw new Refused("no-such-model", `${url} can't be reached.`);
  }
  if (!response.ok) throw new Refused("no-such-model", `${url}: ${response.status}`);
  try {
    return await response.json();
  } catch {
    throw new Refused("bundle-damaged", `${url} is not JSON.`);
  }
}

/** Download the runtime, the graph and its golden pixels, and report the bytes so far. */
async function downloadAll(address, entry) {
  const files = [
    [model.runtime.wasm, model.runtime.bytes, model.runtime.sha256],
    [entry.url, entry.bytes, entry.sha256],
    [entry.golden.url, entry.golden.bytes, entry.golden.sha256],
  ];
  const total = files.reduce((sum, [, bytes]) => sum + bytes, 0);
  let loaded = 0;
  const count = (bytes) => postMessage({ progress: [(loaded += bytes), total] });
  return Promise.all(
    files.map(([url, , sha256]) => download(new URL(url, address), sha256, count)),
  );
}

/** Return the unpacked bytes of a gzip file after checking their hash. */
async function download(url, sha256, count) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new Refused("no-such-model", `${url} can't be reached.`);
  }
  if (!response.ok) throw new Refused("no-such-model", `${url}: ${response.status}`);
  const counter = new TransformStream({
    transform(chunk, controller) {
      count(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
  let bytes;
  try {
    const stream = response.body.pipeThrough(counter);
    bytes = await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  } catch {
    throw new Refused("bundle-damaged", `${url} was cut short or changed.`);
  }
  // Without https there is no crypto.subtle; the golden test still runs.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== sha256) throw new Refused("bundle-damaged", `${url} doesn't match its SHA-256.`);
  }
  return new Uint8Array(bytes);
}

async function identify({ source, top }) {
  if (!session) throw new Refused("engine-unavailable", "The model isn't loaded.");
  const started = performance.now();
  const image = await decode(source);
  const decoded = performance.now();
  const pixels = preprocess(image, model.recipe, { isFitted: true });
  const preprocessed = performance.now();
  const output = await run(pixels, 1);
  const finished = performance.now();
  const milliseconds = {
    decode: decoded - started,
    preprocess: preprocessed - decoded,
    engine: finished - preprocessed,
    total: finished - started,
  };
  return predict(model, graphName, output[0], milliseconds, top);
}

/** Return the part of a photo that the recipe uses, upright, as RGBA bytes. */
async function decode(source) {
  const bitmap = source instanceof Blob ? await decodeFile(source) : source;
  try {
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) {
      const megapixels = Math.round((width * height) / 1e6);
      throw new Refused(
        "too-many-pixels",
        `The photo has ${megapixels} megapixels; at most ${MAX_PIXELS / 1e6} are accepted.`,
      );
    }
    return readPixels(bitmap, centreBox({ width, height }, model.recipe));
  } finally {
    bitmap.close();
  }
}

async function decodeFile(blob) {
  if (blob.size === 0) throw new Refused("empty", "The file is empty.");
  if (blob.size > MAX_BYTES) {
    throw new Refused("too-large", "The file is larger than 20 MB. Send a smaller version.");
  }
  try {
    return await createImageBitmap(blob, DECODING);
  } catch {
    throw new Refused(
      "unsupported-format",
      "This browser can't read that file as a photo. JPEG and PNG always work.",
    );
  }
}

function readPixels(bitmap, [left, top, width, height]) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  // Transparent pixels become white, as on the server.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, -left, -top);
  const { data } = context.getImageData(0, 0, width, height);
  return { data, width, height };
}

/** Run the graph on `count` photos' pixels; return an output for each. */
async function run(pixels, count) {
  const [height, width] = model.recipe.crop ?? model.recipe.resize;
  const input = new ort.Tensor("uint8", pixels, [count, height, width, 3]);
  const outputs = await session.run({ pixels: input });
  const probabilities = await outputs.probabilities.getData();
  const novelty = outputs.novelty ? await outputs.novelty.getData() : null;
  const labels = model.labels.length;
  for (const tensor of Object.values(outputs)) tensor.dispose();
  input.dispose();
  return Array.from({ length: count }, (_, index) => ({
    probabilities: probabilities.slice(index * labels, (index + 1) * labels),
    novelty: novelty ? novelty[index] : null,
  }));
}

/** Compare the graph's outputs for the golden pixels with those recorded in Python. */
async function testGolden(golden, pixels) {
  const size = pixels.length / golden.count;
  for (let photo = 0; photo < golden.count; photo++) {
    const [output] = await run(pixels.slice(photo * size, (photo + 1) * size), 1);
    const expected = golden.probabilities[photo];
    const difference = Math.max(
      ...expected.map((value, label) => Math.abs(value - output.probabilities[label])),
    );
    // Written so that NaN counts as a mismatch.
    let matches = difference <= golden.tolerance;
    if (golden.novelty) {
      const scale = Math.max(1, Math.abs(golden.novelty[photo]));
      matches &&= Math.abs(output.novelty - golden.novelty[photo]) <= golden.tolerance * scale;
    }
    if (!matches) {
      throw new Refused(
        "golden-mismatch",
        `This browser doesn't reproduce the model's golden outputs (largest difference ` +
          `${difference.toPrecision(2)}), so its answers can't be trusted.`,
      );
    }
  }
}

/**
 * Check that pixels come back from the canvas as they went in. Some browsers add noise against
 * fingerprinting, which would change answers.
 */
async function testPixels() {
  const side = 16;
  const { file, expected } = makeBitmapFile(side);
  const bitmap = await createImageBitmap(file, DECODING);
  const { data } = readPixels(bitmap, [0, 0, side, side]);
  bitmap.close();
  if (!expected.every((value, index) => data[index] === value)) {
    throw new Refused(
      "engine-unavailable",
      "This browser changes the pixels of photos to prevent fingerprinting, so it can't run the " +
        "model exactly. Allow reading canvases for this page, or use the server.",
    );
  }
}

/** Return a BMP file of varied colours and the RGBA bytes that it holds. */
function makeBitmapFile(side) {
  const header = new DataView(new ArrayBuffer(54));
  header.setUint16(0, 0x424d);
  header.setUint32(2, 54 + side * side * 4, true);
  header.setUint32(10, 54, true);
  header.setUint32(14, 40, true);
  header.setInt32(18, side, true);
  header.setInt32(22, -side, true); // rows from the top
  header.setUint16(26, 1, true);
  header.setUint16(28, 32, true);
  const pixels = new Uint8Array(side * side * 4);
  const expected = new Uint8Array(side * side * 4);
  for (let place = 0; place < side * side; place++) {
    const [red, green, blue] = [place, (place * 7) % 256, 255 - ((place * 3) % 256)];
    pixels.set([blue, green, red, 255], place * 4);
    expected.set([red, green, blue, 255], place * 4);
  }
  return { file: new Blob([header.buffer, pixels], { type: "image/bmp" }), expected };
}
