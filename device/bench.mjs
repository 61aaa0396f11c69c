/** The page that measures how long this device takes; a worker of its own does it. */

import { fetchMade, fetchModel } from "./engine/download.mjs";
import { phraseError } from "./engine/errors.mjs";
import { filesOf } from "./engine/onnx_session.mjs";
import { fetchingOf, formatBytes } from "./view/disclosure.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const seconds = Math.min(600, Math.max(1, Number(query.get("seconds")) || 60));

/** Say how far it is; only a change of the text is read aloud. */
function say(text, share = 0) {
  if ($("status").textContent !== text) $("status").textContent = text;
  document.querySelector("progress").value = share;
}

const fail = (error) => {
  $("error").textContent = `${phraseError(error, error.message)} Reload this page to try again.`;
};

/** Offer to measure the app's first model, or the one in the address. */
async function prepare() {
  const { models } = await (await fetchMade("models/index.json", say)).json();
  const wanted = query.get("model") ?? models.find((model) => model.default)?.name;
  const found = models.find(({ name }) => name === wanted);
  if (!found) throw new Error("This app has no such model for your device. Correct the address.");
  const address = new URL(`models/${found.name}/`, location.href).href;
  const model = await fetchModel(address);
  const graph = model.graphs.small;
  const runtime = model.runtime ? filesOf(graph, model) : [];
  const files = [graph.golden, graph.network, ...runtime].filter(Boolean);
  const size = formatBytes(files.reduce((sum, { bytes }) => sum + bytes, 0));
  say(`Start loads ${size} for “${found.title}”, then measures for ${seconds} s.`);
  $("start").hidden = false;
  $("start").onclick = () => {
    $("start").hidden = true;
    const lock = navigator.wakeLock?.request("screen").catch(() => null);
    const worker = new Worker("engine/bench_worker.mjs", { type: "module" });
    worker.onerror = ({ message }) => fail(new Error(message || "The server doesn’t answer."));
    worker.onmessage = ({ data: { loading, measured, error, ...result } }) => {
      const percent = 10 * Math.floor((10 * Math.min(measured, seconds)) / seconds);
      if (loading) return say(fetchingOf(loading), loading.loaded / loading.total);
      if (measured) return say(`Measuring: ${percent}%`, measured / seconds);
      worker.terminate();
      lock?.then((held) => held?.release());
      return error ? fail(new Error(error)) : show(model, result);
    };
    worker.postMessage({ address, model, files, seconds });
  };
}

function show({ name, version }, { rows, difference, rounds }) {
  const parts = Array.from(document.querySelector("tbody").rows, (row, place) => {
    const { median, slowing } = rows[place];
    const [, time, ratio] = row.cells;
    time.textContent = median ? `${median.toFixed(median < 10 ? 2 : 1)} ms` : rows[place];
    time.colSpan = median ? 1 : 2;
    ratio.textContent = slowing?.toFixed(2);
    return `${row.id} ${median ? time.textContent : "none"}`;
  });
  const diff = ($("difference").textContent = difference?.toExponential(1) ?? "not compared");
  parts.push(`slowing ${rows.at(-1).slowing.toFixed(2)}`, `diff ${diff}`);
  parts.push(`${name} ${version} small`, `${rounds} rounds in ${seconds} s`);
  parts.push(`${navigator.hardwareConcurrency} cores`, navigator.userAgent);
  $("line").textContent = ["loupe-bench 1", ...parts].join(" | ");
  $("result").hidden = false;
  say("Measured.");
}

$("copy").onclick = () => {
  // Without https, browsers have no navigator.clipboard.
  getSelection().selectAllChildren($("line"));
  $("copied").textContent = document.execCommand("copy") ? "Copied." : "Now copy what is selected.";
};
$("stuck").remove();
followTheme(document.documentElement);
prepare().catch(fail);
