/**
 * The visit of this document, and the only place where its effects are carried out: what answers
 * photos, the address, the recent photos. Views draw `state` and send events.
 */

/** @import { Answer, Entry } from "../types" */
/** @import { Permission } from "../view/types" */
/** @import { Effect, Host, VisitEvent, VisitState } from "./types" */

import { ALTS } from "../view/photo_sources.mjs";
import { afterPaint, announceAddress, readAddress } from "./address.mjs";
import { Models } from "./models.mjs";
import { find, identify, keep } from "./effects.mjs";
import { Permissions } from "./permissions.mjs";
import { openRecents, randomId } from "./recents.mjs";
import { createState, reduce } from "./visit.mjs";
import { chosenBy, VisitAddress } from "./visit_address.mjs";

/** Time between looks whether the server is back, in milliseconds. */
const WATCH_MS = 5000;

const NOT_CLEARED = "This browser couldn’t delete the recent photos.";
const ELSEWHERE =
  "The model in this link isn’t on this device. If you have its file, open it on Teach.";

const DELETED = "The model that was in use here was deleted. Another one answers now.";

/** @type {Visit | null} */
let present = null;

/**
 * Return the visit of this document; the first call opens it.
 *
 * @param {Host} host what the page around it knows
 */
export function openVisit(host) {
  if (present) present.update(host);
  else present = new Visit(host);
  return present;
}

/** See `openVisit`. */
export class Visit {
  /** @type {VisitState} */
  state;
  /** @type {import("../view/types").Recents} */
  recents;
  /** @type {Entry[]} */
  recent = [];
  permissions;
  models;
  /** @type {import("./types").VisitView | null} What draws the visit, while it is shown. */
  view = null;
  /** @type {Host} */
  host;
  /** True once all models are known. */
  #isReady = false;
  /** @type {VisitAddress} */
  #address;
  #request = new AbortController();
  /** Timer of the next look whether the server is back. */
  #watching = 0;
  #ending = new AbortController();

  /** @param {Host} host */
  constructor(host) {
    const { signal } = this.#ending;
    this.host = host;
    const place = readAddress();
    const isOpening = Boolean(place.answer ?? place.photo);
    this.state = createState({ ...chosenBy(place, host), engine: host.engine }, isOpening);
    this.permissions = new Permissions((...question) => this.view.ask(...question), signal);
    this.recents = openRecents({ scope: host.recent, prefix: host.prefix });
    this.recents.onclear = () => {
      // The photo on the screen stays there; one that waits for its page to come back is gone, too.
      if (!this.view) this.send({ type: "closed" });
      this.#listRecents();
    };
    this.#listRecents();
    this.models = new Models(host, () => this.#isReady && this.#follow());
    this.models.follow(host, this.state.chosen, true);
    this.#address = new VisitAddress(this, signal);
    addEventListener("online", () => this.#resume(), { signal });
    // A page that only went to the background may come back.
    addEventListener("pagehide", ({ persisted }) => persisted || this.#end(), { signal });
  }

  get identifier() {
    return this.models.identifier;
  }

  /** Aborted when another step begins. */
  get signal() {
    return this.#request.signal;
  }

  /** A sentence about what the address names; "" for none. */
  get notice() {
    const { model } = this.state.chosen;
    if (!this.#isReady || !this.models.isElsewhere(model)) return "";
    return this.models.wasHere(model) ? DELETED : ELSEWHERE;
  }

  /**
   * Take an event.
   *
   * @param {VisitEvent} event
   */
  send(event) {
    const { step } = this.state;
    const [state, effects] = reduce(this.state, event);
    this.state = state;
    if (state.step !== step) {
      this.#request.abort();
      this.#request = new AbortController();
    }
    if (event.type === "failed") this.#watch();
    this.#follow();
    for (const effect of effects) {
      const run = () => this.#run(effect);
      if (effect.type === "keep") afterPaint(run);
      // By then, the visitor may be elsewhere.
      else if (effect.type === "settle") afterPaint(() => this.state.step === state.step && run());
      else run();
    }
  }

  /**
   * Take what the page around it knows by now.
   *
   * @param {Host} host
   */
  update(host) {
    const { engine, graph } = this.host;
    this.host = host;
    const isServer = this.identifier.state.next === "server";
    // Before Streamlit has come, the engine is the server's own choice.
    const isOther = host.engine !== engine && engine !== null;
    const isUsed = host.graph !== graph || (isOther && isServer);
    this.send({ type: "engaged", engine: host.engine, isUsed });
  }

  /** A view shows the visit, for the first time or again. */
  async arrive(view) {
    this.view = view;
    view.draw();
    await this.models.known;
    this.#isReady = true;
    if (this.view !== view) return;
    this.send({ type: "returned" });
    this.#address.arrive();
    this.#follow();
  }

  /** The page is left; its view is gone. */
  leave() {
    this.view = null;
    this.permissions.end();
    this.send({ type: "left" });
  }

  /** See `VisitAddress.rejoin`. */
  rejoin() {
    this.#address.rejoin();
  }

  /** Note whether the server can be reached. */
  setConnected(isConnected) {
    const { isConnected: before } = this.state;
    this.send({ type: "connected", isConnected });
    if (!isConnected || before) return;
    // Streamlit joins a new server, but runs the page there only when something happens.
    announceAddress();
    this.#resume();
  }

  /**
   * Return the permission of a press, by the words that are on the screen now.
   *
   * @param {Blob | null} [photo] null if it is yet to be taken
   */
  press(photo = null) {
    return this.permissions.press(this.identifier, this.state.entry !== null, photo);
  }

  /** Return the permission of a press beside the open answer, by which a part of its photo is sent. */
  pressBeside(part) {
    return this.permissions.pressBeside(this.state.entry, this.identifier, part);
  }

  /**
   * Take the photo of a press, unless there was another press since.
   *
   * @param {Blob} photo
   * @param {Entry["source"]} source
   * @param {string} [alt] by default by the source
   * @param {{permission?: Permission, answer?: Answer | null}} [options] the press's permission, by
   *   default of this press; the answer if it is known
   */
  take(photo, source, alt = ALTS[source], { permission, answer = null } = {}) {
    const isPress = !permission;
    permission ??= this.press(photo);
    const about = { id: randomId(), time: Date.now(), permission, isPress };
    this.send({ type: "captured", photo, source, alt, answer, ...about });
  }

  /** Open a recent photo. */
  open(entry) {
    this.send({ type: "opened", entry, model: this.models.toShow(entry) });
  }

  /** Choose where photos are answered; the menu's words say what the server gets. */
  chooseRun(run) {
    this.permissions.noteRun(run, this.identifier.state);
    // In place of a model that is gone, the other one is chosen as well.
    this.send({ type: "ran", run, model: this.identifier.model });
  }

  /** Identify the open photo once more, at a press. */
  retry() {
    this.send({ type: "retried" });
  }

  /** Return where a model would get the open photo; null if that is still to be chosen. */
  placeOf(name) {
    const { run, state } = this.identifier;
    const mayAsk = Boolean(this.state.entry?.answer);
    const asked = mayAsk ? this.permissions.placeOf(state, run) : null;
    return this.models.placeOf(name, this.state.chosen.run) ?? asked;
  }

  /** Delete the chosen model, which was made here, if the visitor wants that. */
  askToDelete(parent) {
    this.models.askToDelete(parent, this.identifier.model, () => {
      // Its photo isn't for another model.
      this.send({ type: "closed" });
      this.send({ type: "chosen", model: this.host.model });
    });
  }

  async clearRecents() {
    const { step } = this.state;
    const isCleared = await this.recents.clear();
    if (!isCleared) this.send({ type: "explained", step, message: NOT_CLEARED });
    await this.#listRecents();
  }

  /** The network or the server is back: what waits for it continues, if its words are in sight. */
  #resume() {
    if (this.identifier.state.device === "failed") this.identifier.start();
    const { waiting } = this.state;
    if (!this.view || !waiting || document.hidden) return;
    const { permission, until } = waiting;
    const isKept = permission.part === "nothing";
    if (Date.now() > until || (permission.signal.aborted && !isKept)) return;
    this.send({ type: "retried", permission: isKept ? null : permission, until });
  }

  /** Ask whether the server is back while a photo waits: Streamlit may have joined it before. */
  #watch() {
    clearTimeout(this.#watching);
    const { step, waiting } = this.state;
    if (!waiting) return;
    if (Date.now() > waiting.until) return this.send({ type: "expired", step });
    this.#watching = setTimeout(async () => {
      if (await this.identifier.canReach()) this.#resume();
      this.#watch();
    }, WATCH_MS);
  }

  /** Have the chosen model answer; it loads unless the visitor is asked first where it answers. */
  #follow() {
    const { chosen, entry, isConnected } = this.state;
    this.models.follow(this.host, chosen, isConnected);
    const isAsked = entry?.photo && entry.answer?.prediction.model !== this.identifier.model;
    if (this.#isReady && !isAsked) this.models.start(this.host.isEarly);
    this.view?.draw();
  }

  /** @param {Effect} effect */
  #run(effect) {
    if (effect.type === "identify") identify(this, effect);
    else if (effect.type === "find") find(this, effect);
    else if (effect.type === "keep") keep(this, effect).then(() => this.#listRecents());
    else if (effect.type === "write") this.#address.write();
    else if (effect.type === "settle") this.#address.write(true);
    else if (effect.type === "mark") this.#address.mark();
    else this.view?.chooseFile();
  }

  async #listRecents() {
    this.recent = await this.recents.list();
    this.view?.draw();
  }

  /** The document ends. */
  #end() {
    present = null;
    this.#ending.abort();
    this.#request.abort();
    this.recents.close();
    this.models.close();
  }
}
