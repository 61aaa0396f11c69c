/**
 * The worker of a model: downloads, decodes, resizes, runs the graph and tests it.
 */

import { LoupeError } from "./errors.mjs";
import { decode, testPixels } from "./photo.mjs";
import { occlusionMap } from "./occlusion.mjs";
import { predict, ranking } from "./prediction.mjs";
import { preprocess } from "./preprocess.mjs";

/** The format of `model.json` that this code reads. */
const FORMAT = 2;

/** Pause before asking again for files that are being made, in milliseconds. */
const MAKING_MS = 2000;

/** What stays in memory once a model is loaded. */
let model = null;
let session = null;
let ort = null;
let graphName = "";
/** The last outputs of the video that is being watched. */
let watched = { number: 0, outputs: [] };

/** Number of explanations that were started or stopped; only the newest continues. */
let explanations = 0;

const calls = { load, identify, explain, stopExplaining };

onmessage = async ({ data: { number, name, values } }) => {
  try {
    postMessage({ number, result: await calls[name](values) });
  } catch (error) {
    const code = error instanceof LoupeError ? error.code : "engine-unavailable";
    postMessage({ number, error: { code, message: messageOf(error) } });
  }
};

async function load({ address, graph }) {
  model = await fetchModel(address);
  graphName = graph;
  const entry = Object.hasOwn(model.graphs, graph) ? model.graphs[graph] : null;
  if (!entry) throw new LoupeError("no-such-model", `${model.name} has no graph '${graph}'.`);
  await testPixels();
  const [wasm, bytes, golden] = await downloadAll(address, entry);
  ort = await importRuntime(new URL(model.runtime.module, address).href);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1;
  try {
    session = await ort.InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      // The small graph's weights are widened once, at load.
      extra: { session: { disable_quant_qdq: "1" } },
    });
  } catch (error) {
    throw new LoupeError("bundle-damaged", `The graph can't be loaded: ${messageOf(error)}`);
  }
  await testGolden(entry.golden, golden);
  const { graphs, runtime, ...info } = model;
  return { ...info, graph, calibrated: entry.calibration !== null };
}

async function fetchModel(address) {
  const url = new URL("model.json", address);
  const response = await fetchMade(url);
  let info;
  try {
    info = await response.json();
  } catch {
    throw new LoupeError("bundle-damaged", `${url} is not JSON.`);
  }
  if (info?.format > FORMAT) {
    throw new LoupeError("bundle-too-new", `${url} is of a newer Loupe. Reload this page.`);
  }
  if (info?.format !== FORMAT) throw new LoupeError("bundle-damaged", `${url} is no model.`);
  return info;
}

/** Fetch a file that the app makes on the first request; wait while it is being made. */
async function fetchMade(url) {
  for (;;) {
    let response;
    try {
      response = await fetch(url, { cache: "no-cache" });
    } catch {
      throw new LoupeError("no-such-model", `${url} can't be reached.`);
    }
    if (response.ok) return response;
    const { code, detail } = await response.json().catch(() => ({}));
    if (code !== "busy") {
      throw new LoupeError(code ?? "no-such-model", detail ?? `${url}: ${response.status}`);
    }
    await new Promise((resolve) => setTimeout(resolve, MAKING_MS));
  }
}

async function importRuntime(url) {
  try {
    return await import(url);
  } catch (error) {
    throw new LoupeError("engine-unavailable", `${url} can't be run: ${messageOf(error)}`);
  }
}

/** The engine also throws numbers. */
const messageOf = (error) => error?.message ?? String(error);

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
    throw new LoupeError("no-such-model", `${url} can't be reached.`);
  }
  if (!response.ok) throw new LoupeError("no-such-model", `${url}: ${response.status}`);
  const counter = new TransformStream({
    transform(chunk, controller) {
      count(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
  let bytes;
  try {
    bytes = await unpack(await new Response(response.body.pipeThrough(counter)).arrayBuffer());
  } catch {
    throw new LoupeError("bundle-damaged", `${url} was cut short or changed.`);
  }
  // Without https there is no crypto.subtle; the golden test still runs.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== sha256) throw new LoupeError("bundle-damaged", `${url} doesn't match its SHA-256.`);
  }
  return new Uint8Array(bytes);
}

/** Unpack gzip, unless the host has done that: some send `Content-Encoding: gzip` for `.gz`. */
async function unpack(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first !== 0x1f || second !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function identify({ source, top, region, stream }) {
  if (!session) throw new LoupeError("engine-unavailable", "The model isn't loaded.");
  const started = performance.now();
  const image = await decode(source, model.recipe, model.limits, region);
  const decoded = performance.now();
  const pixels = preprocess(image, model.recipe, { isFitted: true });
  const preprocessed = performance.now();
  const [output] = await run(pixels, 1);
  const finished = performance.now();
  const milliseconds = {
    decode: decoded - started,
    preprocess: preprocessed - decoded,
    engine: finished - preprocessed,
    total: finished - started,
  };
  return predict(model, graphName, stream ? averaged(output, stream) : output, milliseconds, top);
}

/** Return the mean of a video's last outputs, with this one. */
function averaged(output, { number, average }) {
  if (watched.number !== number) watched = { number, outputs: [] };
  watched.outputs = [...watched.outputs, output].slice(-average);
  const mean = (valueOf) =>
    watched.outputs.reduce((sum, one) => sum + valueOf(one), 0) / watched.outputs.length;
  return {
    probabilities: output.probabilities.map((_, label) => mean((one) => one.probabilities[label])),
    novelty: output.novelty === null ? null : mean((one) => one.novelty),
  };
}

/** Return the occlusion map of a photo's top label. */
async function explain({ source, seconds }) {
  if (!session) throw new LoupeError("engine-unavailable", "The model isn't loaded.");
  const turn = ++explanations;
  const image = await decode(source, model.recipe, model.limits);
  const pixels = preprocess(image, model.recipe, { isFitted: true });
  const [{ probabilities }] = await run(pixels, 1);
  const [label] = ranking(probabilities);
  const probabilityOf = async (covered) => {
    // A photo may arrive, or this explanation be stopped, in between.
    await new Promise((resolve) => setTimeout(resolve));
    if (turn !== explanations) throw new LoupeError("stopped", "The explanation was stopped.");
    const [output] = await run(covered, 1);
    return output.probabilities[label];
  };
  return occlusionMap(pixels, model.recipe.crop ?? model.recipe.resize, probabilityOf, seconds);
}

function stopExplaining() {
  explanations++;
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
      throw new LoupeError(
        "golden-mismatch",
        `This browser doesn't reproduce the model's golden outputs (largest difference ` +
          `${difference.toPrecision(2)}), so its answers can't be trusted.`,
      );
    }
  }
}
