/**
 * The visit of this document. It carries out the reducer's effects: it identifies photos, writes
 * the address and keeps recent photos. Views draw `state` and send events.
 */

import { ALTS } from "../view/photo_sources.mjs";
import { afterPaint, announceAddress, readAddress, chosenBy, VisitAddress } from "./address.mjs";
import { Models } from "./models.mjs";
import { find, identify, keep } from "./effects.mjs";
import { Permissions } from "./permissions.mjs";
import { recallSent } from "./outgoing.mjs";
import { Recents, randomId } from "./recents.mjs";
import { createState, NO_PRESS, reduce } from "./visit.mjs";

/** Time between checks whether the server is back, in milliseconds. */
const WATCH_MS = 5000;

const NOT_CLEARED = "This browser couldn’t delete the recent photos.";
const ELSEWHERE =
  "The model in this link isn’t on this device. If you have its file, open it on Teach.";

const DELETED = "The model you were using was deleted. Another one answers now.";

/** @type {Visit | null} */
let present = null;

/** Return the visit of this document; the first call opens it. @param {Host} host */
export function openVisit(host) {
  if (present) present.update(host);
  else present = new Visit(host);
  return present;
}

export class Visit {
  /** @type {VisitState} */
  state;
  recents;
  /** @type {Entry[]} */
  recent = [];
  permissions;
  models;
  /** @type {VisitAddress} */
  address;
  /** @type {VisitView | null} The view, while the visit is shown. */
  view = null;
  /** @type {Host} */
  host;
  /** The last photo that was added to a model made on this device, and what undoes that; or null. */
  trained = null;
  #isReady = false;
  #request = new AbortController();
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
    this.recents = new Recents({ scope: host.recent, prefix: host.prefix });
    this.recents.onclear = () => {
      // A photo on the screen stays; if no page shows the visit, its open photo is closed as well.
      if (!this.view) this.send({ type: "closed" });
      this.#listRecents();
    };
    this.#listRecents();
    this.models = new Models(host, () => this.#isReady && this.#follow());
    this.models.follow(host, this.state.chosen, true);
    this.address = new VisitAddress(this, signal);
    // A server on this machine answers without a network.
    const check = async () => this.setConnected(await this.identifier.canReach());
    addEventListener("offline", check, { signal });
    addEventListener("online", () => check().then(() => this.#resume()), { signal });
    // A page in the browser's back/forward cache may be restored.
    addEventListener("pagehide", ({ persisted }) => persisted || this.#end(), { signal });
  }

  get identifier() {
    return this.models.identifier;
  }

  /** Aborted when another step begins. */
  get signal() {
    return this.#request.signal;
  }

  /** What to say of a chosen model that is missing, in words; "" for none. */
  get notice() {
    const { model } = this.state.chosen;
    if (!this.#isReady || !this.models.isMissing(model)) return "";
    if (this.models.isElsewhere(model)) return this.models.seen.has(model) ? DELETED : ELSEWHERE;
    return ["This app offers no model named “", { label: model }, "”. Another one answers."];
  }

  /** Apply an event, and run its effects. @param {VisitEvent} event */
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
      if (effect.type === "keep" && effect.entry.answer) afterPaint(run);
      // By then, the visitor may have moved on.
      else if (effect.type === "settle") afterPaint(() => this.state.step === state.step && run());
      else run();
    }
  }

  /** Apply what the surrounding page now provides. @param {Host} host */
  update(host) {
    const { engine, graph } = this.host;
    this.host = host;
    const isServer = this.identifier.state.next === "server";
    // Before Streamlit loads, the engine is null: the server chooses.
    const isOther = host.engine !== engine && engine !== null;
    const isUsed = host.graph !== graph || (isOther && isServer);
    this.send({ type: "engaged", engine: host.engine, isUsed });
  }

  /** Attach a view, for the first time or again. */
  async arrive(view) {
    this.view = view;
    view.draw();
    await this.models.known;
    this.#isReady = true;
    if (this.view !== view) return;
    this.send({ type: "returned" });
    this.address.arrive();
    this.#follow();
  }

  leave() {
    this.view = null;
    this.permissions.end();
    this.send({ type: "left" });
  }

  /** Note whether the server can be reached, and whether the page has just joined it. */
  setConnected(isConnected, isAgain = !this.state.isConnected) {
    this.send({ type: "connected", isConnected });
    if (!isConnected || !isAgain) return;
    // Streamlit reconnects to a new server, but doesn't run the page's script there by itself.
    announceAddress();
    this.#resume();
  }

  /** Return the permission that a press gives by the words now on the screen. */
  press(photo = null) {
    return this.permissions.press(this.identifier, this.state.entry !== null, photo);
  }

  /** Return the permission of a press beside the open answer to send a part of its photo. */
  pressBeside(part) {
    return this.permissions.pressBeside(this.state.entry, this.identifier, part);
  }

  /** Keep with an answer, which may be closed by now, what was sent and saved as its correction. */
  async noteCorrection({ id, answer: { token } }, changes) {
    const amend = (answer) => (answer?.token === token ? { ...answer, ...changes } : answer);
    const change = (entry) =>
      entry?.id === id
        ? { ...entry, answer: amend(entry.answer), earlier: entry.earlier?.map(amend) }
        : entry;
    this.send({ type: "corrected", change });
    const kept = this.recent.find((entry) => entry.id === id);
    if (kept) await this.recents.add(change(kept));
    await this.#listRecents();
  }

  /**
   * Use the photo of a press, unless another press has followed. By default, its permission is a
   * new one.
   *
   * @param {Blob} photo
   * @param {Entry["source"]} source
   * @param {string} [alt] alternative text; by default that of the source
   * @param {{permission?: Permission, answer?: Answer | null}} [options]
   */
  take(photo, source, alt = ALTS[source], { permission, answer = null } = {}) {
    const isPress = !permission;
    permission ??= this.press(photo);
    const about = { id: randomId(), permission, isPress };
    this.send({ type: "captured", photo, source, alt, answer, ...about });
  }

  open(entry) {
    recallSent(entry);
    this.send({ type: "opened", entry, model: this.models.toShow(entry) });
  }

  /** Choose where photos are identified. The menu's words say what the server gets. */
  chooseRun(run) {
    this.permissions.noteRun(run, this.identifier.state);
    // Also choose the model that replaces one that is gone.
    this.send({ type: "ran", run, model: this.identifier.model });
  }

  /** Return where a model would identify the open photo; null if the visitor will be asked. */
  placeOf(name) {
    const { run, state } = this.identifier;
    const mayAsk = Boolean(this.state.entry?.answer);
    const asked = mayAsk ? this.permissions.placeOf(state, run) : null;
    return this.models.placeOf(name, this.state.chosen.run) ?? asked;
  }

  /** Delete the chosen model, which was made on this device, if the visitor confirms. */
  askToDelete(parent) {
    this.models.askToDelete(parent, this.identifier.model, () => {
      // Don't identify its photo with another model.
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

  /** Continue after a reconnect; a waiting photo is sent only if its words are still on screen. */
  #resume() {
    if (this.identifier.state.device === "failed") this.identifier.start();
    const { waiting } = this.state;
    if (!this.view || !waiting || document.hidden) return;
    const { permission, until } = waiting;
    const isKept = permission.part === "nothing";
    if (Date.now() > until || (permission.signal.aborted && !isKept)) return;
    this.send({ type: "retried", permission: isKept ? NO_PRESS : permission, until });
  }

  /** Poll the server while a photo waits: Streamlit may report no further reconnect. */
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

  /** Follow the choice of a model; load it unless the visitor is first asked where it runs. */
  #follow() {
    const { chosen, entry, isConnected } = this.state;
    this.models.follow(this.host, chosen, isConnected);
    this.permissions.follow();
    const isAsked = entry?.photo && entry.answer?.prediction.model !== this.identifier.model;
    if (this.#isReady && !isAsked) this.models.start(this.host.isEarly);
    this.view?.draw();
  }

  /** @param {Effect} effect */
  #run(effect) {
    if (effect.type === "identify") identify(this, effect);
    else if (effect.type === "find") find(this, effect);
    else if (effect.type === "keep") keep(this, effect).then(() => this.#listRecents());
    else if (effect.type === "write") this.address.write();
    else if (effect.type === "settle") this.address.write(true);
    else if (effect.type === "mark") this.address.mark();
    else this.view?.chooseFile();
  }

  async #listRecents() {
    this.recent = await this.recents.list();
    this.view?.draw();
  }

  #end() {
    present = null;
    this.#ending.abort();
    this.#request.abort();
    this.recents.close();
    this.models.close();
  }
}
