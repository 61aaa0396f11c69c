/**
 * Runs ES modules that came in one file: over HTTP/1.1, a phone's network takes 0.6 s for each six
 * requests, and the app's first screen needs a hundred modules. Each module keeps its address, so
 * that those outside the file find the same ones. `compress_streamlit.py` adds the call.
 *
 * @param {Record<string, string>} modules sources by path, relative to the page
 * @param {string} start path of the first module
 */
// eslint-disable-next-line no-unused-vars -- called by what is added
function runBundle(modules, start) {
  const RELATIVE = /(\bfrom\s*|\bimport\s*\(?\s*)(["'`])(\.{1,2}\/[\w./-]+)\2/g;
  const addressOf = (path) => new URL(path, document.baseURI).href;
  const wrap = (...parts) => URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));

  function map() {
    const imports = {};
    for (const [path, source] of Object.entries(modules)) {
      const address = addressOf(path);
      const text = source
        .replace(RELATIVE, (_, before, quote, other) => {
          return before + quote + new URL(other, address).href + quote;
        })
        .replaceAll("import.meta.url", JSON.stringify(address));
      imports[address] = wrap(text, `\n//# sourceURL=${address}`);
    }
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
