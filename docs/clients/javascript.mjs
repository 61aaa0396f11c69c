// A client for Loupe's HTTP API, for browsers and Node 18 or later, without packages. Copy it where you need it.
//
//   node javascript.mjs http://localhost:8501 photo.jpg
//   node javascript.mjs http://localhost:8501 photo.jpg another.png holiday.webp
//
//   const loupe = new Loupe("https://loupe.example.org");
//   const { answer } = await loupe.identify(input.files[0], { top: 3 });
//
// The server must allow pages of other sites: LOUPE_CORS=https://site.example.org

const RETRY_CODES = ["busy", "stopping", "error"]; // with status 503; "error" is a proxy's own page
const MAX_PHOTO_BYTES = 20 * 2 ** 20;
const MAX_BATCH_BYTES = 100 * 2 ** 20;
const USAGE = `\
Usage: node javascript.mjs SERVER PHOTO...
Example: node javascript.mjs http://localhost:8501 photo.jpg`;

/** An error: `code` is stable and for programs, `detail` is for people. */
export class Problem extends Error {
  constructor(status, code, detail, retryAfter = 0) {
    super(`${code}: ${detail}`);
    Object.assign(this, { name: "Problem", status, code, detail, retryAfter });
  }
}

export class Loupe {
  /** `timeout`: ms for a photo; `patience`: ms to retry while the server is busy. */
  constructor(server, { timeout = 60_000, patience = 30_000 } = {}) {
    Object.assign(this, { api: `${server.replace(/\/+$/, "")}/api/v1`, timeout, patience });
  }

  /** Identify a photo, a File or Blob. `params`: model, top, explain. */
  async identify(photo, params = {}) {
    return parseJson(await this.#fetch("/identify", { params, body: checkSize(photo) }));
  }

  /** Save a correction. `params`: model; keep: true saves the photo as well. */
  async correct(photo, label, params = {}) {
    const all = { ...params, label };
    return parseJson(await this.#fetch("/corrections", { params: all, body: checkSize(photo) }));
  }

  /** Return the server's models. */
  async models() {
    return (await parseJson(await this.#fetch("/models"))).models;
  }

  /** Yield results for Files in order, each as soon as it is ready; a result may be an `error`. */
  async *batch(files, params = {}) {
    const photos = [...files]; // a form's FileList has no reduce
    const body = new FormData();
    for (const photo of photos) body.append("photos", photo, photo.name);
    const size = photos.reduce((sum, photo) => sum + photo.size, 0);
    if (size > MAX_BATCH_BYTES) {
      throw new Problem(413, "too-large", "These photos are larger than 100 MB together. Send fewer at a time.");
    }
    const accept = "application/x-ndjson";
    const timeout = this.timeout * photos.length;
    const response = await this.#fetch("/identify/batch", { params, body, accept, timeout });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let [count, remainder] = [0, ""];
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(() => ({ done: true }));
        const lines = (remainder + (value ?? "")).split("\n");
        remainder = lines.pop();
        for (const line of lines.filter((text) => text.trim())) yield (count++, JSON.parse(line));
        if (done) break;
      }
    } finally {
      await reader.cancel().catch(() => {}); // tells the server to stop
    }
    const message = `The connection broke after ${count} of ${photos.length} results.`;
    if (count < photos.length) throw new Problem(0, "cut", message);
  }

  async #fetch(path, { params = {}, body, accept = "application/json", timeout = this.timeout } = {}) {
    const query = Object.entries(params).filter(([, value]) => value !== undefined);
    const deadline = Date.now() + this.patience;
    for (;;) {
      const response = await fetch(`${this.api}${path}?${new URLSearchParams(query)}`, {
        method: body ? "POST" : "GET",
        headers: { Accept: accept },
        body,
        signal: AbortSignal.timeout(timeout),
      }).catch((error) => {
        const reason = error.cause?.message ?? error.message;
        throw new Problem(0, "unreachable", `No response from ${this.api}: ${reason}.`);
      });
      if (response.ok) return response;
      const problem = await parseProblem(response);
      const wait = Math.max(problem.retryAfter, 0.5) * 1000 * (1 + Math.random() / 2);
      const isRetryable = problem.status === 503 && RETRY_CODES.includes(problem.code);
      if (!isRetryable || Date.now() + wait > deadline) throw problem;
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

function checkSize(photo) {
  if (photo.size > MAX_PHOTO_BYTES) {
    throw new Problem(413, "too-large", "This photo is larger than 20 MB. Send a smaller version.");
  }
  return photo.type ? photo : new Blob([photo], { type: "application/octet-stream" });
}

const parseJson = (response) =>
  response.json().catch((error) => {
    throw new Problem(0, "cut", `The connection broke: ${error.message}.`);
  });

async function parseProblem(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const problem = await response.json().catch(() => null); // a proxy's page is not JSON
  const detail = problem?.detail ?? `The server responded with ${response.status}.`;
  return new Problem(response.status, problem?.code ?? "error", detail, retryAfter);
}

if (globalThis.process?.argv?.[1] && import.meta.url.startsWith("file:")) {
  const [{ pathToFileURL }, { realpathSync }] = [await import("node:url"), await import("node:fs")];
  const script = pathToFileURL(realpathSync(process.argv[1])).href;
  if (import.meta.url === script) await main(...process.argv.slice(2));
}

async function main(server, ...paths) {
  if (!paths.length) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const [{ readFile }, { basename }] = [await import("node:fs/promises"), await import("node:path")];
  // File is not global before Node 20.
  const readPhoto = async (path) =>
    Object.assign(new Blob([await readFile(path)]), { name: basename(path) });
  const [photos, loupe] = [await Promise.all(paths.map(readPhoto)), new Loupe(server)];
  try {
    if (photos.length === 1) console.log(JSON.stringify(await loupe.identify(photos[0])));
    else for await (const result of loupe.batch(photos)) console.log(JSON.stringify(result));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
