/** Times a model's engines and a frame's steps: the worker of the page that measures a device. */

import { downloadAll, fetchMade } from "./download.mjs";
import { messageOf } from "./errors.mjs";
import { run } from "./prediction.mjs";
import * as onnx from "./onnx_session.mjs";
import * as packed from "./network.mjs";
import { DECODING } from "./geometry.mjs";
import { decode, testPixels } from "./photo.mjs";
import { preprocess } from "./preprocess.mjs";

const graph = /** @type {const} */ ("small");
/** The first rounds aren't counted, since the browser still optimises. */
const [WARM_UPS, MIN_ROUNDS] = [4, 8];
/** Quick steps are repeated until they take this long: some browsers count whole milliseconds. */
const MIN_MS = 20;
/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

onmessage = async ({ data }) =>
  postMessage(await measure(data).catch((error) => ({ error: messageOf(error) })));

/** @param {{address: string, model: ModelConfig, files: PackedFile[], seconds: number}} job */
async function measure({ address, model, files, seconds }) {
  await testPixels();
  const [goldenPixels, ...bytes] = await downloadAll(address, files, (loaded, total, isStalled) =>
    postMessage({ loading: { loaded, total, isStalled } }),
  );
  const { network, golden } = model.graphs[graph];
  const packedFiles = bytes.splice(0, network ? 1 : 0);
  const openings = /** @type {const} */ (["kernels", "kernels-relaxed"]).map(async (kernels) => {
    const binary = await fetchMade(new URL(`${kernels}.wasm`, import.meta.url));
    const isValid = WebAssembly.validate(await binary.arrayBuffer());
    if (network && isValid) return packed.open(packedFiles, { kernels });
    throw new Error(
      isValid ? "The kernels can’t run this model." : "This browser has no relaxed SIMD.",
    );
  });
  if (bytes.length) openings.push(onnx.open(bytes, { address, model }));
  // Each one's engine, or why there is none.
  const engines = await Promise.all(openings.map((opening) => opening.catch(messageOf)));
  if (!bytes.length) engines.push("This app hasn’t fetched it.");
  const ready = engines.filter((engine) => typeof engine !== "string");
  if (!ready.length) throw new Error(engines.join(" "));
  const base = { address, model, graph, goldenPixels };
  let [difference, pixels] = [0, goldenPixels];
  const size = goldenPixels.length / golden.count;
  for (let at = 0; at < goldenPixels.length; at += size) {
    pixels = goldenPixels.slice(at, at + size);
    const outputs = await Promise.all(ready.map((engine) => run({ ...base, engine }, pixels)));
    for (const label of model.labels.keys()) {
      const values = outputs.map(({ probabilities }) => probabilities[label]);
      difference = Math.max(difference, Math.max(...values) - Math.min(...values));
    }
  }
  const { recipe, limits } = model;
  const picture = new ImageData(new Uint8ClampedArray(4 * 640 * 480).fill(255), 640);
  const read = async () => decode(await createImageBitmap(picture, DECODING), recipe, limits);
  const image = read();
  const resize = async (photo = read()) => preprocess(await photo, recipe, { isFitted: true });
  /** Milliseconds of each step in the last round. @type {number[]} */
  const last = [];
  const quickest = () => ready[last.indexOf(Math.min(...last.slice(0, ready.length)))];
  const steps = [
    ...ready.map((engine) => () => run({ ...base, engine }, pixels)),
    ...[read, () => resize(image)],
    async () => run({ ...base, engine: quickest() }, await resize()),
  ];
  const rounds = /** @type {number[][]} */ ([]);
  const started = performance.now();
  for (let measured = 0; measured < seconds || rounds.length < MIN_ROUNDS;) {
    for (const [place, step] of steps.entries()) {
      const repeats = Math.ceil(MIN_MS / Math.max(last[place] ?? MIN_MS, 0.1));
      const before = performance.now();
      for (let turn = 0; turn < repeats; turn++) await step();
      last[place] = (performance.now() - before) / repeats;
    }
    rounds.push([...last]);
    measured = (performance.now() - started) / 1000;
    postMessage({ measured });
  }
  const rows = steps.map((_, place) => {
    const times = rounds.slice(WARM_UPS).map((round) => round[place]);
    const quarter = times.length >> 2;
    const slowing = median(times.slice(-quarter)) / median(times.slice(0, quarter));
    return { median: median(times), slowing };
  });
  const all = engines.map((engine) => (typeof engine === "string" ? engine : rows.shift()));
  const compared = ready.length > 1 ? difference : null;
  return { rows: [...all, ...rows], difference: compared, rounds: rounds.length - WARM_UPS };
}
