// A client of Loupe's HTTP API for browsers and Node 20; no packages. Copy it where you need it.
//
//   node javascript.mjs http://localhost:8501 photo.jpg
//   node javascript.mjs http://localhost:8501 photo.jpg another.png holiday.webp
//
//   const loupe = new Loupe("https://loupe.example.org");
//   const { answer } = await loupe.identify(input.files[0], { top: 3 });
//
// On a page of another site the server must allow that site: LOUPE_CORS=https://site.example.org

const AGAIN = ["busy", "stopping", "error"]; // of a 503; a proxy's own has no code
const MAX_BYTES = 20 * 2 ** 20; // a larger photo is refused, so it is not even sent
const MAX_BATCH = 100 * 2 ** 20;

/** A refusal: `code` is stable and for programs, `detail` for people. */
export class Problem extends Error {
  constructor(status, code, detail, retryAfter = 0) {
    super(`${code}: ${detail}`);
    Object.assign(this, { name: "Problem", status, code, detail, retryAfter });
  }
}

export class Loupe {
  /** `timeout`: ms for a photo; `patience`: ms of waiting while the server is busy. */
  constructor(server, { timeout = 60_000, patience = 30_000 } = {}) {
    Object.assign(this, { api: `${server.replace(/\/+$/, "")}/api/v1`, timeout, patience });
  }

  /** What is on a photo: a File or Blob. `asked`: model, top, explain. */
  async identify(photo, asked = {}) {
    return whole(await this.#ask("/identify", { asked, body: checked(photo) }));
  }

  /** Say what a photo shows. `asked`: model; keep: true if the photo may be kept. */
  async correct(photo, label, asked = {}) {
    const query = { ...asked, label };
    return whole(await this.#ask("/corrections", { asked: query, body: checked(photo) }));
  }

  /** The models that can be asked. */
  async models() {
    return (await whole(await this.#ask("/models"))).models;
  }

  /** Answers to Files in order, each as soon as it is there; one may be an `error`. */
  async *batch(files, asked = {}) {
    const photos = [...files]; // a form's FileList, too
    const body = new FormData();
    for (const photo of photos) body.append("photos", photo, photo.name);
    const size = photos.reduce((sum, photo) => sum + photo.size, 0);
    if (size > MAX_BATCH) throw new Problem(413, "too-large", "These photos have more than 100 MB.");
    const accept = "application/x-ndjson";
    const timeout = this.timeout * photos.length;
    const answer = await this.#ask("/identify/batch", { asked, body, accept, timeout });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let [count, rest] = [0, ""];
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(() => ({ done: true }));
        const lines = (rest + (value ?? "")).split("\n");
        rest = lines.pop();
        for (const line of lines.filter((one) => one.trim())) yield (count++, JSON.parse(line));
        if (done) break;
      }
    } finally {
      await reader.cancel().catch(() => {}); // who stops listening stops the work
    }
    const said = `The server went away after ${count} of ${photos.length} answers.`;
    if (count < photos.length) throw new Problem(0, "cut", said);
  }

  async #ask(path, { asked = {}, body, accept = "application/json", timeout = this.timeout } = {}) {
    const given = Object.entries(asked).filter(([, value]) => value !== undefined);
    const until = Date.now() + this.patience;
    for (;;) {
      const answer = await fetch(`${this.api}${path}?${new URLSearchParams(given)}`, {
        method: body ? "POST" : "GET",
        headers: { Accept: accept },
        body,
        signal: AbortSignal.timeout(timeout),
      }).catch((error) => {
        const why = error.cause?.message ?? error.message;
        throw new Problem(0, "unreachable", `No answer from ${this.api}: ${why}.`);
      });
      if (answer.ok) return answer;
      const problem = await told(answer);
      const wait = Math.max(problem.retryAfter, 0.5) * 1000 * (1 + Math.random() / 2);
      const again = problem.status === 503 && AGAIN.includes(problem.code);
      if (!again || Date.now() + wait > until) throw problem;
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

function checked(photo) {
  if (photo.size > MAX_BYTES) throw new Problem(413, "too-large", "This photo has more than 20 MB.");
  return photo.type ? photo : new Blob([photo], { type: "application/octet-stream" });
}

const whole = (answer) =>
  answer.json().catch((error) => {
    throw new Problem(0, "cut", `The server went away: ${error.message}.`);
  });

async function told(answer) {
  const after = Number(answer.headers.get("Retry-After")) || 0;
  const said = await answer.json().catch(() => null); // a proxy's page is no JSON
  const detail = said?.detail ?? `The server answered ${answer.status}.`;
  return new Problem(answer.status, said?.code ?? "error", detail, after);
}

if (globalThis.process?.argv?.[1] && import.meta.url.startsWith("file:")) {
  const [{ pathToFileURL }, { realpathSync }] = [await import("node:url"), await import("node:fs")];
  const started = pathToFileURL(realpathSync(process.argv[1])).href;
  if (import.meta.url === started) await main(...process.argv.slice(2));
}

async function main(server, ...paths) {
  const [{ readFile }, { basename }] = [await import("node:fs/promises"), await import("node:path")];
  const opened = async (path) => new File([await readFile(path)], basename(path));
  const [photos, loupe] = [await Promise.all(paths.map(opened)), new Loupe(server)];
  try {
    if (photos.length === 1) console.log(JSON.stringify(await loupe.identify(photos[0])));
    else for await (const answer of loupe.batch(photos)) console.log(JSON.stringify(answer));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
