/**
 * Visits drawn by chance. Always: nothing leaves beyond what the words at the press or an answered
 * question said; what left is said; no event leaves the shutter dead.
 *
 * What may leave is read from the words on the screen, so this knows nothing of permissions.
 */

import fc from "fast-check";
import { createWorld, Host, keepStyles, pass, photoOf, settle } from "./world.mjs";

const PARTS = ["nothing", "pixels", "file"];
const AWAY_MS = 120_000;

/** The part of a photo that a line says leaves the device; null if it says nothing of that. */
function partIn(line) {
  if (/stays here|numbers only|nothing was sent|waits? for the model|On this device/.test(line)) {
    return /sent: .*of pixels/.test(line)
      ? "pixels"
      : /sent: the file/.test(line)
        ? "file"
        : "nothing";
  }
  if (/whole file|the photo or a part|sent: the file|Sent to the server: the file/.test(line))
    return "file";
  return /marked part|of pixels/.test(line) ? "pixels" : null;
}

const MODELS = ["one", "two"].map((name) => ({
  ...{ name, title: name, knows: [name], language: "en", downloads: true, count: 6 },
  samples: [{ title: "a", alt: "a", url: "/a.jpg", thumbnail: "" }],
}));

/** See `_data` in `ui/viewfinder.py`. */
const DATA = {
  ...{
    models: MODELS,
    model: "one",
    taught: null,
    described: null,
    engine: "compiled",
    run: "auto",
  },
  ...{ base: "/", capture: true, routes: true, limits: { bytes: 2e7, pixels: 5e7, side: 16 } },
  ...{ api: null, session: "token", recent: "session", corrections: true, logo: "", lookUp: [] },
  ...{ words: { headline: "Point", line: "Six." }, top: 5, rows: 5, open: null, heard: 0 },
  ...{ upload: null, shared: null, responses: [] },
};

class Visit {
  /** What may leave of each photo: the model and the part. */
  permits = new Map();
  /** What left of photos and was not said yet. */
  untold = new Map();
  said = "nothing";
  agreed = "nothing";
  areFilesAllowed = false;
  shown = null;
  violations = [];
  log = [];

  constructor(world, host) {
    this.world = world;
    this.host = host;
    world.onRequest = (request) => this.#judge(request);
  }

  $ = (selector) => this.host.root?.querySelector(selector) ?? null;
  get line() {
    return this.$(".vf-where")?.textContent ?? "";
  }
  get isAsked() {
    return this.$(".vf-ask") !== null;
  }
  get screen() {
    return this.host.root?.dataset.screen;
  }

  /** A press from which a photo comes, or another look at the one that is open. */
  press(photo, { model = this.host.chosen, isOpen = this.screen === "answer" } = {}) {
    this.hear();
    const parts = isOpen ? [this.said, this.agreed] : [this.said];
    const part = PARTS[Math.max(...parts.map((one) => PARTS.indexOf(one)))];
    this.permit(photo, { model, part, areFilesAllowed: this.areFilesAllowed });
    this.shown = photo;
  }

  /** Take in the line; that of a photo that waits for its answer promises no more than before. */
  hear() {
    const part = partIn(this.line);
    if (part === null || this.isAsked) return;
    const isPending = this.screen === "answer" && !/ in |Sent to/.test(this.line);
    const isFailed = this.$(".vf-alert").textContent !== "";
    if (part === "nothing" || !isPending || isFailed) this.said = part;
  }

  permit(photo, permit) {
    this.permits.set(photo, [...(this.permits.get(photo) ?? []), permit]);
  }

  /** The page was left, or hidden for long: nothing said before counts any more. */
  endPermits() {
    this.permits.clear();
  }

  #judge({ route, model, photo, isOnline }) {
    if (!isOnline) return;
    const kind = route.startsWith("pixels") ? "pixels" : "file";
    this.log.push(`  sent ${route} ${photo} for ${model}`);
    if (route === "correction") {
      if (photo && photo !== "copy") this.violations.push(`${photo} was sent with a correction`);
      if (photo && !this.isCopyAllowed) this.violations.push("a copy was sent without consent");
      return;
    }
    const covers = (permit) =>
      permit.model === model &&
      (PARTS.indexOf(kind) <= PARTS.indexOf(permit.part) ||
        (permit.areFilesAllowed && photo.startsWith("unread")));
    if (!(this.permits.get(photo) ?? []).some(covers)) {
      this.violations.push(`${route} of ${photo} for ${model} was never said`);
    }
    if (!/explanation/.test(route)) this.untold.set(photo, kind);
  }

  /** What left of the photo on the screen is said beside its answer or error. */
  checkTold() {
    const isDone =
      this.screen === "answer" &&
      !this.isAsked &&
      /; sent: |Sent to|nothing was|On the server in|On this device in/.test(this.line);
    const kind = this.untold.get(this.shown);
    if (!isDone || !kind || this.world.requests.some(({ photo }) => photo === undefined)) return;
    const words = kind === "pixels" ? "of pixels" : "the file";
    if (!this.line.includes(words)) this.violations.push(`“${this.line}”, but ${kind} left`);
    this.untold.delete(this.shown);
  }

  async after() {
    await settle();
    this.hear();
    this.checkTold();
    if (this.violations.length) {
      throw new Error([...new Set(this.violations), ...this.log].join("\n"));
    }
  }
}

/** Define a command: `run` does something, where it is possible, in a page that is open. */
const command = (name, run) => ({
  check: () => true,
  toString: () => name,
  async run(_, visit) {
    if (visit.host.isOpen || /^(come back|wait)/.test(name)) {
      visit.log.push(`${name} (“${visit.line}”)`);
      await run(visit);
    }
    await visit.after();
  },
});

const world = (name, changes) => command(name, (visit) => void Object.assign(visit.world, changes));

function give(visit, kind) {
  visit.world.photos++;
  const name = `${kind === "heic" ? "unread" : "file"}${visit.world.photos}`;
  visit.press(name);
  const input = visit.$("input[type=file]");
  Object.defineProperty(input, "files", { value: [photoOf(name, kind)], configurable: true });
  Object.defineProperty(input, "value", { value: "", writable: true, configurable: true });
  input.onchange();
}

function shoot(visit) {
  if (visit.$(".vf-shutter").hidden || visit.isAsked) return;
  if (visit.screen === "answer") return visit.$(".vf-shutter").click();
  if (visit.$(".vf-square").hasAttribute("data-taking")) return;
  visit.world.photos++;
  visit.press(`photo${visit.world.photos}`);
  visit.$(".vf-shutter").click();
}

function chooseModel(visit, model) {
  if (visit.host.chosen === model || visit.isAsked) return;
  visit.host.chosen = model;
  if (visit.screen === "answer") visit.press(visit.shown, { model });
  // In the page's header, which is first.
  const list = document.body.firstElementChild.shadowRoot.querySelector("select");
  list.value = model;
  list.dispatchEvent(new Event("change"));
}

async function chooseRun(visit, place) {
  if (visit.isAsked) return;
  visit.$(".vf-where").click();
  await settle();
  const choice = [...visit.host.root.querySelectorAll(".vf-choice")][place];
  if (!choice || choice.ariaPressed === "true") return visit.$("dialog")?.close();
  const words = choice.textContent;
  visit.agreed = partIn(words.replace(/.*(gets|get) (?=the)/s, "")) ?? "nothing";
  if (place === 1) visit.agreed = "nothing";
  if (visit.screen === "answer") visit.press(visit.shown);
  choice.click();
}

function reply(visit, place) {
  const ways = [...visit.host.root.querySelectorAll(".vf-ask-way")];
  const way = ways[place % (ways.length || 1)];
  if (!way) return;
  const words = way.textContent;
  if (/Send the file/.test(words)) {
    visit.areFilesAllowed = true;
    visit.permit(visit.shown, { model: visit.host.chosen, part: "nothing", areFilesAllowed: true });
  } else if (/On the server/.test(words)) {
    visit.agreed = partIn(words) ?? "nothing";
    visit.permit(visit.shown, { model: visit.host.chosen, part: visit.agreed });
  }
  way.click();
}

async function correct(visit, isCopyAllowed) {
  const button = visit.$(".vf-correct");
  if (visit.screen !== "answer" || button.hidden || visit.isAsked) return;
  button.click();
  await settle();
  visit.$("dialog input[type=text]").value = "rose";
  visit.$("dialog input[type=checkbox]").checked = visit.isCopyAllowed = isCopyAllowed;
  visit.$("dialog form").onsubmit(new Event("submit"));
  await pass(1000);
  visit.isCopyAllowed = false;
  visit.$("dialog")?.close();
}

async function hide(visit, ms) {
  const setHidden = (isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  setHidden(true);
  await pass(Math.min(ms, AWAY_MS));
  await pass(Math.max(0, ms - AWAY_MS));
  if (ms > AWAY_MS) {
    visit.endPermits();
    if (visit.world.requests.some(({ isOpen }) => isOpen)) {
      visit.violations.push("an upload goes on though the page is hidden");
    }
  }
  setHidden(false);
}

/** Take a photo, and do something else soon after it, or after it began to be sent. */
async function interrupt(visit, isSent, ms, act) {
  const before = visit.world.requests.length;
  if (act === ACTS.hide) visit.world.serverMs = 300_000;
  shoot(visit);
  const hasBegun = () => !isSent || visit.world.requests.length > before;
  for (let waited = 0; waited < 4000 && !hasBegun(); waited += 10) await pass(10);
  await pass(ms);
  await act(visit);
}

function explain(visit) {
  if (visit.screen === "answer" && !visit.$(".vf-why").hidden && !visit.isAsked) {
    const part = partIn(visit.line) ?? "nothing";
    for (const model of ["one", "two"]) visit.permit(visit.shown, { model, part });
    visit.$(".vf-why").click();
  }
}

function leave(visit) {
  visit.endPermits();
  visit.host.leave();
}

const ACTS = {
  "go back": shoot,
  leave,
  "choose model two": (visit) => chooseModel(visit, "two"),
  "choose this device": (visit) => chooseRun(visit, 1),
  hide: (visit) => hide(visit, 121_000),
};

const commands = [
  fc.constantFrom("jpg", "heic").map((kind) => command(`give ${kind}`, (v) => give(v, kind))),
  ...Array(3).fill(fc.constant(command("press the shutter", shoot))),
  fc.constant(
    command("sample", (visit) => {
      const sample = visit.$(".vf-samples button");
      if (visit.screen !== "empty" || !sample) return;
      visit.world.photos++;
      visit.press(`photo${visit.world.photos}`);
      sample.click();
    }),
  ),
  fc
    .constantFrom("one", "two")
    .map((name) => command(`model ${name}`, (v) => chooseModel(v, name))),
  fc.nat(2).map((place) => command(`run ${place}`, (visit) => chooseRun(visit, place))),
  fc.nat(2).map((place) => command(`reply ${place}`, (visit) => reply(visit, place))),
  fc.constant(
    command("escape", () => {
      const key = { key: "Escape", bubbles: true, composed: true, cancelable: true };
      document.body.dispatchEvent(new KeyboardEvent("keydown", key));
    }),
  ),
  fc
    .constantFrom(0, 10, 40, 95, 200, 1000, 6000)
    .map((ms) => command(`wait ${ms}`, () => pass(ms))),
  fc.constantFrom(5000, 121_000).map((ms) => command(`hide ${ms}`, (visit) => hide(visit, ms))),
  fc.constant(command("why", explain)),
  fc.boolean().map((isSent) => command(`correct ${isSent}`, (visit) => correct(visit, isSent))),
  fc.constant(command("leave", leave)),
  ...Array(6).fill(
    fc
      .record({ isSent: fc.boolean(), ms: fc.nat(200), act: fc.constantFrom(...Object.keys(ACTS)) })
      .map(({ isSent, ms, act }) => {
        const name = `${act} ${ms} ms after ${isSent ? "the upload began" : "the press"}`;
        return command(name, (visit) => interrupt(visit, isSent, ms, ACTS[act]));
      }),
  ),
  fc.constant(command("come back", async ({ host }) => host.isOpen || host.open())),
  fc.constantFrom("camera", "frame").map((takes) => world(`take by ${takes}`, { takes })),
  fc.constantFrom(100, 1500).map((takeMs) => world(`slow camera ${takeMs}`, { takeMs })),
  fc.constant(world("no memory for a frame", { canEncode: false, takes: "frame" })),
  fc.constantFrom(200, 5000).map((loadMs) => world("device gets its files", { loadMs })),
  fc.boolean().map((deviceFails) => world(`device fails: ${deviceFails}`, { deviceFails })),
  fc.boolean().map((isOnline) => world(`network: ${isOnline}`, { isOnline })),
  fc.constantFrom(50, 300, 9000).map((serverMs) => world(`server ${serverMs} ms`, { serverMs })),
  fc
    .constantFrom(200, 500)
    .map((serverStatus) => world(`server ${serverStatus}`, { serverStatus })),
];

/** After all, a press of the shutter leads to an answer, an error or a question. */
async function checkAlive(visit) {
  const { host, world } = visit;
  Object.assign(world, { isOnline: true, serverStatus: 200, serverMs: 50, loadMs: 50 });
  Object.assign(world, { deviceFails: false, canEncode: true, takes: "frame" });
  await pass(60_000);
  await visit.after();
  if (!host.isOpen) await host.open();
  await pass(5_000);
  visit.$("dialog")?.close();
  while (visit.isAsked) {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await pass(1000);
  }
  if (visit.screen === "answer") visit.$(".vf-shutter").click();
  await pass(1000);
  visit.$(".vf-shutter").hidden && visit.$(".vf-main")?.click();
  await pass(1000);
  shoot(visit);
  await pass(30_000);
  await visit.after();
  const isAnswered =
    visit.screen === "answer" &&
    (visit.isAsked || / in |Sent/.test(visit.line) || visit.$(".vf-alert").textContent);
  if (!isAnswered)
    throw new Error(
      `The shutter is dead: “${visit.line}”, ${visit.screen}\n${visit.log.join("\n")}`,
    );
}

/**
 * Draw visits until one breaks the promise.
 *
 * @returns {Promise<string | null>} how it did, or null
 */
export async function drawVisits(given) {
  const { default: create } = await import("/device/streamlit.mjs");
  await keepStyles();
  const world = createWorld(given);
  const initial = { ...world };
  let visit;
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    visit.violations.push(`uncaught: ${event.reason?.stack ?? event.reason}`);
  });
  const property = fc.asyncProperty(
    fc.commands(commands, { maxCommands: 12, size: "max" }),
    async (list) => {
      Object.assign(world, initial);
      world.requests.length = 0;
      const host = new Host(create, DATA);
      host.chosen = "one";
      visit = new Visit(world, host);
      await host.open();
      await pass(1000);
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: visit }), list);
        await checkAlive(visit);
      } finally {
        if (host.isOpen) host.leave();
        await pass(200_000);
      }
    },
  );
  const limits = { interruptAfterTimeLimit: given.seconds * 1000, markInterruptAsFailure: false };
  const result = await fc.check(property, {
    numRuns: given.runs,
    seed: given.seed ?? undefined,
    ...limits,
  });
  const { errorInstance, failed, numRuns, seed } = result;
  return { broken: failed ? `${errorInstance}\nseed ${seed}` : null, visits: numRuns };
}
