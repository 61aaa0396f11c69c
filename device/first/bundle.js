/**
 * Runs ES modules that came in one file: over HTTP/1.1, a phone's network takes 0.6 s for each six
 * requests, and the app's first screen needs 47 modules. Each module keeps its address, so
 * that those outside the file find the same ones. `compress_streamlit.py` adds the call.
 *
 * @param {Record<string, string>} modules sources by path, relative to the page
 * @param {string} start path of the first module
 * @param {string} [worker] path of a worker's first module; its imports are in `modules` as well
 * @param {Record<string, string>} [sheets] style sheets by path
 */
// eslint-disable-next-line no-unused-vars -- called by what is added
function runBundle(modules, start, worker, sheets) {
  const RELATIVE = /(\bfrom\s*|\bimport\s*\(?\s*)(["'`])(\.{1,2}\/[\w./-]+)\2/g;
  globalThis.lastBundle = start;
  const addressOf = (path) => new URL(path, document.baseURI).href;
  if (sheets) {
    const entries = Object.entries(sheets).map(([path, text]) => [addressOf(path), text]);
    globalThis.styleSheets = Object.fromEntries(entries);
  }
  const wrap = (...parts) => URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));

  /** Return a blob URL of a module; `find` maps the addresses of its imports to URLs. */
  function create(address, source, find = (other) => other) {
    const text = source
      .replace(RELATIVE, (_, before, quote, other) => {
        return before + quote + find(new URL(other, address).href) + quote;
      })
      .replaceAll("import.meta.url", JSON.stringify(address));
    return wrap(text, `\n//# sourceURL=${address}`);
  }

  /** Return a worker's blob URL. Workers have no import maps, so modules import blob URLs. */
  function createWorker() {
    const blobs = new Map();
    const sources = new Map(Object.entries(modules).map(([path, text]) => [addressOf(path), text]));
    const find = (address) => {
      if (!sources.has(address)) return address;
      if (!blobs.has(address)) blobs.set(address, create(address, sources.get(address), find));
      return blobs.get(address);
    };
    return find(addressOf(worker));
  }

  function map() {
    const imports = {};
    for (const [path, source] of Object.entries(modules)) {
      const address = addressOf(path);
      imports[address] = create(address, source);
    }
    if (worker) Object.assign(globalThis, { modelWorker: createWorker() });
    const script = document.createElement("script");
    script.type = "importmap";
    script.textContent = JSON.stringify({ imports });
    document.head.append(script);
  }

  const run = () => import(addressOf(start));
  if (!HTMLScriptElement.supports?.("importmap")) {
    run();
    return;
  }
  // A proxy's Content-Security-Policy may forbid scripts from blobs; files work all the same.
  const probe = document.createElement("script");
  probe.src = wrap("");
  probe.onload = () => {
    map();
    run();
  };
  probe.onerror = run;
  document.head.append(probe);
}
