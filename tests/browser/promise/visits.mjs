/**
 * Visits drawn at random. Always: nothing leaves beyond what the words at the press or an answered
 * question said; the page says what left; no event leaves the shutter dead.
 *
 * What may leave is read from the words on the screen, so this knows nothing of permissions.
 */

import fc from "fast-check";
import { choose, createWorld, Host, pass, percentOf, photoOf } from "./world.mjs";
import { realTime, setHidden, settle } from "./world.mjs";

const PARTS = ["nothing", "pixels", "file"];
const AWAY_MS = 120_000;
const isMore = (part, other) => PARTS.indexOf(part) > PARTS.indexOf(other);

/** The part of a photo that a line says leaves the device; null if it says nothing about that. */
function partIn(line) {
  if (/stays here|waits for the model|[Tt]his device/.test(line)) return "nothing";
  if (/whole file|the photo or a part|: the file/.test(line)) return "file";
  return /marked part|of pixels/.test(line) ? "pixels" : null;
}

const MODELS = ["one", "two"].map((name) => ({
  ...{ name, title: name, knows: [name], language: "en", downloads: true, count: 6 },
  samples: [{ title: "a", alt: "a", url: "/a.jpg", thumbnail: "" }],
}));

/** See `page_data` in `ui/viewfinder.py`. */
const DATA = {
  ...{ models: MODELS, model: "one", run: "auto", engine: "compiled", api: null, base: "/" },
  recent: "session",
  ...{ corrections: true, logo: "", lookUp: [], words: { headline: "Point", line: "Six." } },
  ...{ top: 5, rows: 5 },
};

class Visit {
  /** What may leave of photos: `{photo, model, part, areFilesAllowed}`. */
  permits = [];
  /** What left of photos, until the page has said so. */
  untold = new Map();
  said = "nothing";
  agreed = "nothing";
  areFilesAllowed = false;
  /** The photo on the screen, and all photos so far. */
  shown = null;
  photos = new Set();
  violations = [];
  log = [];

  constructor(world, host) {
    Object.assign(this, { world, host });
    world.onRequest = (request) => this.#judge(request);
  }

  $ = (selector) => this.host.root?.querySelector(selector) ?? null;
  get line() {
    return this.$(".vf-where")?.textContent ?? "";
  }
  /** The list of models, in the page's header, which is first. */
  get models() {
    const places = [...document.body.children].map(({ shadowRoot }) => shadowRoot);
    return places.map((place) => place?.querySelector("select")).find(Boolean);
  }
  get isAsked() {
    return this.$(".vf-ask") !== null;
  }
  /** The percentage of the first bar, if an answer is shown. */
  get cell() {
    return this.isAnswering && this.$(".vf-row [role=cell]")?.textContent;
  }
  get isAnswering() {
    return this.host.root?.dataset.screen === "answer";
  }

  /** A press from which a photo comes, or another look at the one that is open. */
  press(photo = `photo${++this.world.photos}`) {
    this.hear();
    const isAgreed = this.isAnswering && isMore(this.agreed, this.said);
    this.permit(photo, isAgreed ? this.agreed : this.said);
  }

  permit(photo, part, model = this.models.value) {
    this.shown = photo;
    this.photos.add(photo);
    this.permits.push({ photo, model, part, areFilesAllowed: this.areFilesAllowed });
  }

  /** Read the line; before an answer, that of an open photo can only permit less. */
  hear() {
    const part = partIn(this.line);
    if (part === null || this.isAsked) return;
    const isOpen = this.isAnswering && !/ in |Sent to/.test(this.line);
    if (part === "nothing" || !isOpen) this.said = part;
  }

  #judge({ route, model, photo }) {
    this.log.push(`  sent ${route} ${photo} for ${model}`);
    if (route === "correction") {
      if (photo && !(photo === "copy" && this.isCopyAllowed)) this.violations.push("correction");
      return;
    }
    const kind = route.startsWith("pixels") ? "pixels" : "file";
    const covers = (one) =>
      one.photo === photo &&
      one.model === model &&
      (!isMore(kind, one.part) || (one.areFilesAllowed && photo.startsWith("unread")));
    if (!this.permits.some(covers)) this.violations.push(`${kind} of ${photo} was never said`);
    if (!route.endsWith("explanation")) this.untold.set(photo, kind);
  }

  /** What left of the photo on the screen is said by its answer or error, and no question denies it. */
  #checkTold() {
    const kind = this.untold.get(this.shown);
    if (!kind || this.world.requests.some(({ photo }) => photo === undefined)) return;
    const words = this.isAsked ? this.$(".vf-ask-end").textContent : this.line;
    const isDone = this.isAnswering && !this.isAsked && / in |Sent to/.test(words);
    const isTold = words.includes(kind === "pixels" ? "of pixels" : "the file");
    if ((isDone && !isTold) || words.includes("Nothing")) {
      this.violations.push(`“${words}”, but ${kind} of ${this.shown} left`);
    }
    if (isDone) this.untold.delete(this.shown);
  }

  /** Check that photo, answer and address match, and that no other answer's chart is visible. */
  #checkShown(before) {
    const { chart } = this.host;
    const token = new URL(location.href).searchParams.get("answer");
    const shown = this.cell;
    const isDone = Boolean(shown);
    if (isDone && shown !== `${percentOf(this.shown)}%`) {
      this.violations.push(`${shown} of ${this.shown} (${percentOf(this.shown)}%)`);
    }
    const own = isDone ? `${this.models.value} ${shown}` : null;
    const named = token && `${token.split("~")[0]} ${token.match(/-(\d+)0/)[1]}%`;
    if (isDone && shown === before && own !== named) this.violations.push(`${own}, but the address names ${named}`);
    if (chart && (!isDone || chart !== token)) this.violations.push(`a chart of ${chart}`);
  }

  /** Note which photo the page shows after a step through the history or a reload. */
  look() {
    const name = this.isAnswering && this.world.names.get(this.$(".vf-photo img")?.src);
    if (name) {
      this.shown = name;
      return;
    }
    const photos = [...this.photos].filter((name) => `${percentOf(name)}%` === this.cell);
    if (photos.length) this.shown = photos[0];
  }

  async after() {
    await settle();
    this.hear();
    this.#checkTold();
    const { cell } = this;
    // The address follows after the next paint.
    await pass(20);
    if (this.host.isOpen) this.#checkShown(cell);
    if (this.violations.length) throw new Error([...this.violations, ...this.log].join("\n"));
  }
}

/** Define a command: `run` does something in an open page, if possible. */
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

function give(visit, kind) {
  const name = `${kind === "heic" ? "unread" : "file"}${++visit.world.photos}`;
  visit.press(name);
  choose(visit.$("input[type=file]"), photoOf(name, kind));
}

function shoot(visit) {
  if (visit.$(".vf-shutter").hidden || visit.isAsked) return;
  const isTaking = visit.$(".vf-square").hasAttribute("data-taking");
  if (!visit.isAnswering && !isTaking) visit.press();
  visit.$(".vf-shutter").click();
}

function takeSample(visit) {
  const sample = visit.$(".vf-samples button");
  if (visit.host.root.dataset.screen !== "empty" || !sample) return;
  visit.press();
  sample.click();
}

function paste(visit) {
  [...visit.host.root.querySelectorAll("button")]
    .find((one) => one.textContent === "Paste")
    .click();
}

function chooseModel(visit, model) {
  if (visit.models.value === model || visit.isAsked) return;
  visit.models.value = model;
  if (visit.isAnswering) visit.press(visit.shown);
  visit.models.dispatchEvent(new Event("change"));
}

async function chooseRun(visit, place) {
  if (visit.isAsked) return;
  visit.$(".vf-where").click();
  await settle();
  const choice = [...visit.host.root.querySelectorAll(".vf-choice")][place];
  if (!choice || choice.ariaPressed === "true") return visit.$("dialog")?.close();
  const words = choice.textContent.replace(/.*(gets|get) (?=the)/s, "");
  visit.agreed = place === 1 ? "nothing" : (partIn(words) ?? "nothing");
  if (visit.isAnswering) visit.press(visit.shown);
  choice.click();
}

function reply(visit, place) {
  const ways = [...visit.host.root.querySelectorAll(".vf-ask-way")];
  const way = ways[place % (ways.length || 1)];
  const words = way?.textContent ?? "";
  if (/Send the file/.test(words)) visit.areFilesAllowed = true;
  if (/On the server/.test(words)) visit.agreed = partIn(words) ?? "nothing";
  if (/Send the file|On the server/.test(words)) visit.permit(visit.shown, visit.agreed);
  way?.click();
}

async function correct(visit, isCopyAllowed) {
  const button = visit.$(".vf-correct");
  if (!visit.isAnswering || button.hidden || visit.isAsked) return;
  button.click();
  await settle();
  visit.$(".vf-check input").checked = visit.isCopyAllowed = isCopyAllowed;
  visit.$(".vf-chips .vf-dashed").click();
  await pass(1000);
  visit.isCopyAllowed = false;
}

function explain(visit) {
  if (!visit.isAnswering || visit.$(".vf-why").hidden || visit.isAsked) return;
  const part = /of pixels|the file/.test(visit.line) ? visit.line : "";
  for (const model of ["one", "two"]) visit.permit(visit.shown, partIn(part) ?? "nothing", model);
  visit.$(".vf-why").click();
}

async function hide(visit, ms) {
  setHidden(true);
  await pass(Math.min(ms, AWAY_MS));
  await pass(Math.max(0, ms - AWAY_MS));
  if (ms > AWAY_MS) {
    visit.permits = [];
    const isSending = visit.world.requests.some(({ isOpen }) => isOpen);
    if (isSending) visit.violations.push("an upload continues although the page is hidden");
  }
  setHidden(false);
}

function leave(visit) {
  visit.permits = [];
  visit.host.leave();
}

/** Go back or forward, and note which photo the page then shows. */
async function step(visit, steps) {
  const { world } = visit;
  await pass(1000);
  // An answer that arrives during the navigation may be written to the wrong history entry.
  const isWaiting = visit.isAnswering && !/ in /.test(visit.line) && !visit.$(".vf-alert").textContent;
  if (!visit.host.isOpen || visit.isAsked || isWaiting) return;
  const isTaking = visit.$(".vf-square").hasAttribute("data-taking");
  if (isTaking || world.paths[world.at + steps] !== "/") return;
  world.at += steps;
  const isMoved = new Promise((done) => addEventListener("popstate", done, { once: true }));
  history.go(steps);
  await Promise.race([isMoved, realTime(500)]);
  await pass(500);
  visit.look();
}

/** Reload the page: the answer in its address stays, all permissions end. */
async function reload(visit) {
  Object.assign(visit, { permits: [], said: "nothing", agreed: "nothing", areFilesAllowed: false });
  visit.untold.clear();
  await visit.host.reload();
  await pass(500);
  visit.look();
}

/** Replace the server; Streamlit reconnects with a new session. */
async function restart({ host, world }) {
  host.isConnected = false;
  await pass(300);
  world.session = String(Number(world.session) + 1);
  host.isConnected = true;
}

/** Take a photo, wait for its answer, open another page, and return. */
async function visitElsewhere(visit) {
  shoot(visit);
  await pass(8000);
  await visit.after();
  leave(visit);
  await visit.host.back();
}

/** Choose two photos, wait for their answers, and go back to the first. */
async function lookBack(visit) {
  for (let photo = 0; photo < 2 && !visit.isAsked; photo++) {
    give(visit, "jpg");
    await pass(8000);
    await visit.after();
  }
  await step(visit, -1);
}

/** Choose a photo, and announce the address between its answer and that answer's address. */
async function announce(visit) {
  if (visit.isAsked) return;
  give(visit, "jpg");
  await pass(8000, () => visit.cell);
  const { cell } = visit;
  dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
  await pass(500);
  if (visit.cell !== cell) visit.violations.push(`${visit.cell} instead of ${cell}`);
}

function escape() {
  const key = { key: "Escape", bubbles: true, composed: true, cancelable: true };
  document.body.dispatchEvent(new KeyboardEvent("keydown", key));
}

function loseMemory({ world }) {
  Object.assign(world, { canEncode: false, takes: "frame" });
}

const ACTS = {
  ...{ "go back": shoot, leave, paste },
  "choose model two": (visit) => chooseModel(visit, "two"),
  "choose this device": (visit) => chooseRun(visit, 1),
  hide: (visit) => hide(visit, 121_000),
};

/** Take a photo, and do something else soon after it, or after it began to be sent. */
async function interrupt(visit, [isSent, ms, act]) {
  const before = visit.world.requests.length;
  if (act === "hide") visit.world.serverMs = 300_000;
  shoot(visit);
  if (isSent) await pass(4000, () => visit.world.requests.length > before);
  await pass(ms);
  await ACTS[act](visit);
}

/** Draw a command with one of these values. */
const draw = (name, run, ...values) =>
  fc.constantFrom(...values).map((value) => command(`${name} ${value}`, (one) => run(one, value)));
/** Draw a change of what surrounds the page. */
const vary = (name, ...values) =>
  draw(name, ({ world }, value) => void Object.assign(world, { [name]: value }), ...values);
// Often before an upload's first progress, which comes after 100 ms.
const soon = fc.oneof(fc.nat(99), fc.nat(200));
const act = fc.constantFrom(...Object.keys(ACTS), "choose this device");
const interruption = fc.tuple(fc.constantFrom(true, true, false), soon, act);

const commands = [
  draw("give", give, "jpg", "heic"),
  ...Array(3).fill(draw("press the shutter", shoot, "")),
  draw("sample", takeSample, ""),
  draw("model", chooseModel, "one", "two"),
  draw("run", chooseRun, 0, 1, 2),
  draw("reply", reply, 0, 1, 2),
  draw("escape", escape, ""),
  draw("wait", (_, ms) => pass(ms), 0, 10, 40, 95, 200, 1000, 6000),
  draw("hide", hide, 5000, 121_000),
  draw("why", explain, ""),
  draw("correct", correct, true, false),
  draw("leave", leave, ""),
  draw("see another page", visitElsewhere, ""),
  draw("history", step, -1, 1),
  draw("see the previous photo", lookBack, ""),
  draw("announce", announce, ""),
  draw("reload", reload, ""),
  draw("restart", restart, ""),
  draw("clear in another tab", () => new BroadcastChannel("loupe-recents:/").postMessage(""), ""),
  ...Array(6).fill(
    interruption.map((one) => command(`take, then ${one}`, (visit) => interrupt(visit, one))),
  ),
  draw("come back", ({ host }) => host.isOpen || host.back(), ""),
  draw("connected", ({ host }, isConnected) => void (host.isConnected = isConnected), true, false),
  vary("scriptMs", 150, 2000),
  vary("earlyMs", 0, 5000),
  vary("takes", "camera", "frame"),
  vary("takeMs", 100, 1500),
  draw("no memory", loseMemory, ""),
  ...Array(2).fill(vary("loadMs", 200, 5000)),
  vary("deviceError", null, "engine-unavailable", "damaged"),
  vary("isOnline", true, false),
  vary("serverMs", 50, 300, 9000),
  vary("serverStatus", 200, 500),
];

/** In the end, a press of the shutter still leads to an answer, an error or a question. */
async function checkAlive(visit) {
  const { host, world } = visit;
  Object.assign(world, { isOnline: true, serverStatus: 200, serverMs: 50, loadMs: 50 });
  Object.assign(world, { deviceError: null, canEncode: true, takes: "frame" });
  await pass(60_000);
  await visit.after();
  if (!host.isOpen) await host.back();
  host.isConnected = true;
  await pass(5000);
  visit.$("dialog")?.close();
  for (; visit.isAsked; await pass(1000)) escape();
  if (visit.isAnswering) shoot(visit);
  await pass(1000);
  if (visit.$(".vf-shutter").hidden) visit.$(".vf-main")?.click();
  await pass(1000);
  shoot(visit);
  await pass(30_000);
  await visit.after();
  const isSaid = visit.isAsked || / in |Sent/.test(visit.line) || visit.$(".vf-alert").textContent;
  if (!visit.isAnswering || !isSaid) {
    throw new Error(`The shutter is dead: “${visit.line}”\n${visit.log.join("\n")}`);
  }
}

/** Draw visits until one breaks the promise; return how, or null, and their number. */
export async function drawVisits(given) {
  const component = await import("/device/streamlit.mjs");
  const world = createWorld(given);
  const initial = { ...world };
  let visit;
  for (const name of ["error", "unhandledrejection"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      const error = event.error ?? event.reason;
      // A late ResizeObserver notification carries no error.
      if (error) visit.violations.push(`uncaught: ${error.stack ?? error}`);
    });
  }
  const list = fc.commands(commands, { maxCommands: 12, size: "max" });
  const property = fc.asyncProperty(list, async (drawn) => {
    Object.assign(world, initial, { requests: [], paths: ["/"], at: 0 });
    const host = new Host(component, { ...DATA, limits: given.limits }, world);
    visit = new Visit(world, host);
    await host.open();
    await pass(1000);
    try {
      await fc.asyncModelRun(() => ({ model: {}, real: visit }), drawn);
      await checkAlive(visit);
    } finally {
      host.end();
      await pass(200_000);
    }
  });
  const limits = { interruptAfterTimeLimit: given.seconds * 1000, markInterruptAsFailure: false };
  const options = { numRuns: given.runs, seed: given.seed ?? undefined, ...limits };
  const { errorInstance, failed, numRuns, seed } = await fc.check(property, options);
  return { broken: failed ? `${errorInstance}\nseed ${seed}` : null, visits: numRuns };
}
