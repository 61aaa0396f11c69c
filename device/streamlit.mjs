/**
 * The viewfinder as a component of Streamlit. The same element keeps the same view, and so the same
 * camera.
 */

import { openCorrection, openLookUp, openShare } from "./view/actions.mjs";
import { linkStyles } from "./view/elements.mjs";
import { createIdentifier } from "./view/identifier.mjs";
import { ELSEWHERE, openMadeHere } from "./view/made_here.mjs";
import { openSocket } from "./view/outgoing.mjs";
import { openRecents } from "./view/recents.mjs";
import { createComponent, followConnection, Outbox, themeOf } from "./view/streamlit_component.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";
import { createHeader } from "./view/viewfinder_parts.mjs";

/** Height of Streamlit's header. */
const HEADER = "3.75rem";

/** The source of photos from Streamlit's own widgets. */
const UPLOAD = "upload";

/** Show the viewfinder; for `data` see `_data` in `ui/viewfinder.py`. */
export default createComponent((parent, data) => new Screen(parent, data));

class Screen {
  #parent;
  #data = null;
  #outbox = new Outbox();
  #socket = null;
  #identifier = null;
  #recents;
  /** The models that were made on this device, and what waits until they are known. */
  #madeHere;
  #areModelsKnown = false;
  #waiting = null;
  /** Takes the choice of a model, or null. */
  #header;
  #view = null;
  /** The entry that the view last reported as shown. */
  #shown = null;
  /** The token of the link that the app shows, or was last asked to show. */
  #requested = null;
  /** The model of the photo that is shown, or the visitor's choice, until the app has followed. */
  #chosen = null;
  /** Models that were ready on this device: the browser still has their files. */
  #ready = new Set();
  #isClosed = false;
  #isConnected = true;
  #stopFollowing;
  /** The answer in the address isn't shown yet. */
  #isOpening = true;

  constructor(parent, { recent, base, capture, logo }) {
    this.#parent = parent;
    this.#recents = openRecents({ scope: recent, prefix: base });
    this.#madeHere = openMadeHere(`${base}device/`, () => this.#view && this.#follow(this.#data));
    this.#madeHere.ready.then(() => {
      this.#areModelsKnown = true;
      if (this.#waiting && !this.#isClosed) this.update(...this.#waiting);
    });
    parent.host.toggleAttribute("data-below", !capture);
    parent.host.toggleAttribute("data-viewfinder", capture);
    linkStyles(parent, ["../streamlit"]);
    this.#header = capture ? createHeader(logo) : null;
    this.#stopFollowing = followConnection((isConnected) => {
      // Streamlit joins a new server, but runs the page there only when something happens.
      if (isConnected && !this.#isConnected) this.#outbox.add("renew");
      this.#isConnected = isConnected;
      this.#identifier?.setConnected(isConnected);
    });
  }

  /** Take new data. */
  update(data, setTrigger) {
    this.#waiting = data.taught && !this.#areModelsKnown ? [data, setTrigger] : null;
    if (this.#waiting) return;
    const previous = this.#data;
    this.#data = data;
    this.#outbox.update(data.heard, setTrigger);
    const isNewSession = previous !== null && previous.session !== data.session;
    if (this.#outbox.find("opened")) {
      this.#follow(previous);
      return;
    }
    this.#requested = data.open;
    const isElsewhere = data.open !== this.#token;
    // A new session doesn't know what was opened last in the previous one.
    const isShown = this.#token !== null || Boolean(this.#view?.entry);
    const isForgotten = isNewSession && isElsewhere && isShown && !data.upload;
    const isOther = previous && differ(previous, data, ["model", "taught", "engine"]);
    // An answer that another model is to replace isn't open any more, but its photo is.
    const isReplaced = isElsewhere && !data.open && isOther && Boolean(this.#view.entry?.photo);
    // Two photos may have the same answer, and so the same link.
    const isUploaded = Boolean(data.upload) && data.upload.id !== previous?.upload?.id;
    const isLeft = (isElsewhere || isUploaded) && !isForgotten && !isReplaced;
    if (isLeft) this.#view?.show(null);
    // An answer that is given later is on the screen already.
    else this.#isOpening = false;
    const hasFollowed = this.#follow(previous) && previous !== null;
    if (data.upload && isLeft) this.#showUpload(data.upload);
    else if (isLeft) this.#showAddress();
    else if (isForgotten) this.#open(this.#token);
    else if (hasFollowed || (isReplaced && this.#view.entry.answer)) this.#identifyAgain(previous);
  }

  close() {
    this.#isClosed = true;
    this.#outbox.close();
    /** @type {ShadowRoot | undefined} */ (this.#header?.getRootNode())?.host.remove();
    this.#stopFollowing();
    this.#madeHere.close();
    this.#recents.close();
    this.#view?.unmount();
    this.#identifier?.close();
  }

  get #token() {
    return this.#shown?.answer.token ?? null;
  }

  get #model() {
    const { model, taught } = this.#data;
    const isHere = (name) => this.#models.some((one) => one.name === name);
    return [this.#chosen, taught].find(isHere) ?? model;
  }

  /** The app's models, then those that were made here. */
  get #models() {
    return [...this.#data.models, ...this.#madeHere.entries];
  }

  /** Return the mode for a model: one that was made here never needs the server. */
  #runOf(name) {
    if (this.#madeHere.models.has(name)) return "device";
    if (!this.#mayDownload(name)) return "server";
    // In place of a model that is gone from this device, nothing is sent unasked.
    const isSubstitute = this.#data.taught && name !== this.#chosen;
    return isSubstitute ? "device" : (this.#outbox.find("run")?.value ?? this.#data.run);
  }

  #mayDownload(name) {
    return this.#data.models.some((one) => one.name === name && one.downloads);
  }

  /**
   * Give the view its options; another model, engine or mode needs another identifier. Return
   * whether it changed.
   */
  #follow(previousData) {
    const data = this.#data;
    const isPending = this.#outbox.find("model") || this.#outbox.find("opened");
    if (!isPending && this.#chosen === (data.taught ?? data.model)) this.#chosen = null;
    const previous = this.#identifier;
    const model = this.#model;
    const run = this.#runOf(model);
    const isOther =
      previous?.model !== model ||
      previous.run !== run ||
      previous.api !== data.api ||
      (previousData.engine !== data.engine && previous.state.next === "server");
    const server = {
      url: `${data.base}api/session/`,
      token: data.session,
      model,
      engine: data.engine,
      responses: data.responses,
      send: (request) => this.#outbox.add("request", request),
      renew: () => this.#outbox.add("renew"),
    };
    const described = data.described?.name === model ? data.described : null;
    if (isOther) {
      this.#socket ??= openSocket(server);
      const taught = this.#madeHere.models.get(model);
      const folder = this.#madeHere.baseOf(model) ?? (this.#mayDownload(model) ? model : null);
      const identifier = createIdentifier({
        model,
        address: folder && `${data.base}device/models/${folder}/`,
        // Your model's photos are never sent.
        server: taught ? null : data.routes ? server : this.#socket,
        run,
        api: data.api,
        taught,
        limits: data.limits,
        described,
      });
      identifier.setConnected(this.#isConnected);
      identifier.onchange = () => identifier.state.device === "ready" && this.#ready.add(model);
      this.#identifier = identifier;
    } else {
      this.#identifier.setServer(server);
      const isRepublished = previousData.described?.version !== data.described?.version;
      if (isRepublished) this.#identifier.setDescribed(described);
    }
    this.#socket.update(server);
    const options = this.#options();
    if (this.#view) this.#view.update(options);
    else this.#view = mountViewfinder(this.#parent, options);
    if (isOther) {
      this.#start();
      previous?.close();
    }
    return isOther;
  }

  /** Begin to load the model, unless the visitor is to be asked first where it sees the photo. */
  #start() {
    const { entry } = this.#view;
    const isAsked = entry?.photo && entry.answer?.prediction.model !== this.#model;
    const isStarted = this.#identifier.state.device !== "off";
    // Below a widget of Streamlit's, nothing is loaded before it is needed.
    if (this.#data.capture && !isAsked && !isStarted) this.#identifier.start();
  }

  #options() {
    const data = this.#data;
    const theme = themeOf(this.#parent.host);
    const own = this.#madeHere.entries.find(({ name }) => name === this.#model);
    const line = own && ["This model knows ", ...own.knows, "."];
    const isElsewhere = data.taught && this.#model === data.model;
    if (this.#header) this.#header.dataset.theme = theme;
    return {
      identifier: this.#identifier,
      recents: this.#recents,
      hasCamera: data.capture,
      isOpening: this.#isOpening && data.capture && Boolean(data.open),
      models: this.#models,
      model: this.#model,
      notice: isElsewhere ? ELSEWHERE : "",
      teach: data.routes ? `${data.base}teach` : null,
      placeOf: (name) => this.#placeOf(name),
      samples: this.#samples(),
      what: own ? { ...data.words, line, language: own.language } : data.words,
      theme,
      above: data.capture ? HEADER : null,
      header: this.#header,
      top: data.top,
      rows: data.rows,
      actions: {
        correct:
          data.corrections &&
          ((entry, permit) => openCorrection(this.#parent, entry, this.#identifier, permit)),
        share: (entry) => openShare(this.#parent, entry),
        lookUp: (entry) => openLookUp(this.#parent, entry, data.lookUp),
      },
      onModel: (name) => this.#choose(name),
      onDelete: () => {
        const leave = () => {
          // Its photo isn't for another model.
          this.#view.show(null);
          this.#shown = null;
          this.#outbox.add("model", data.model);
        };
        this.#madeHere.askToDelete(this.#parent, this.#model, leave);
      },
      run: this.#runOf(this.#model),
      // A model that is in one place only leaves no choice.
      onRun: this.#mayDownload(this.#model) ? (run) => this.#chooseRun(run) : null,
      onRetry: () => this.#identifier.start(),
      onOpen: (entry) => this.#report(entry),
      onClear: () => this.#outbox.add("cleared"),
      onError: () => this.#keepChosen(),
    };
  }

  /** Return the model's samples, for the empty viewfinder. */
  #samples() {
    const { capture } = this.#data;
    const chosen = this.#models.find(({ name }) => name === this.#model);
    return capture && chosen ? chosen.samples : [];
  }

  /** Tell the app what is shown; it follows with the address, the model and the chart. */
  #report(entry) {
    this.#shown = entry;
    // Its last line tells when the server is gone; where there is none, the page does.
    this.#parent.host.toggleAttribute("data-viewfinder", this.#data.capture || Boolean(entry));
    const model = entry?.answer.prediction.model;
    if (entry && this.#models.some(({ name }) => name === model)) this.#chosen = model;
    // No link brings a model along that was made here.
    if (!this.#token) this.#keepChosen();
    this.#open(this.#token);
    this.#follow(this.#data);
    this.#start();
  }

  /** Let the app follow a choice that no answer brings along. */
  #keepChosen() {
    const { model, taught } = this.#data;
    if (this.#chosen && this.#chosen !== (taught ?? model)) this.#outbox.add("model", this.#chosen);
  }

  #open(token) {
    if (token === this.#requested) return;
    this.#requested = token;
    this.#outbox.add("opened", token);
  }

  /** Choose a model, at once; of an open photo, the app follows once its answer is there. */
  #choose(name) {
    const { entry } = this.#view;
    // The app keeps the photos of Streamlit's widgets itself, but not the visitor's models.
    const isKept = entry?.photo && (entry.source !== UPLOAD || this.#madeHere.models.has(name));
    if (!isKept) this.#outbox.add("model", name);
    this.#chosen = name;
    this.#follow(this.#data);
    if (isKept) this.#look();
  }

  /** Choose the mode, at once: the next photo may be taken before the app replies. */
  #chooseRun(run) {
    this.#outbox.add("run", run);
    // In place of a model that is gone, the other one is chosen as well.
    if (this.#data.taught) this.#choose(this.#model);
    else if (this.#follow(this.#data)) this.#look();
  }

  /** Return where a model would get the open photo; null if that is still to be chosen. */
  #placeOf(name) {
    const run = this.#runOf(name);
    if (run === "server") return "server";
    if (this.#ready.has(name) || this.#madeHere.models.has(name)) return "device";
    const { reason } = this.#identifier.state;
    return run === "auto" && reason !== null ? "server" : null;
  }

  /** Identify the open photo by the present model, on this device if that has its files. */
  #look() {
    const isHere = this.#placeOf(this.#model) === "device";
    this.#view.identifyAgain({ place: isHere ? "device" : null });
  }

  /** Identify the open photo by the new model, engine or mode, unless that gave its answer. */
  #identifyAgain(previousData) {
    const isSameWay = !differ(previousData, this.#data, ["run", "engine"]);
    const model = this.#view.entry?.answer?.prediction.model;
    if (!isSameWay || model !== this.#model) this.#look();
  }

  /** Show a photo from one of Streamlit's widgets with its answer. */
  async #showUpload({ id, url, alt, answer }) {
    const kept = (await this.#recents.list()).find((entry) => entry.id === id);
    if (kept?.answer.token === answer.token) return this.#showIfOpen(kept);
    const response = await fetch(url).catch(() => null);
    const photo = response?.ok ? await response.blob() : null;
    if (!photo) return this.#showAddress();
    if (this.#isStillOpen(answer.token)) await this.#view.take(photo, UPLOAD, alt, { answer, id });
    return undefined;
  }

  /** Show the answer in the address, with its photo if this browser keeps it. */
  async #showAddress() {
    const { open, shared } = this.#data;
    const kept = open && (await this.#recents.getByToken(open));
    this.#showIfOpen(
      kept || (shared && { id: open, photo: null, source: "link", alt: "", ...shared }),
    );
  }

  #showIfOpen(entry) {
    this.#isOpening = false;
    if (this.#isStillOpen(entry?.answer.token ?? null)) {
      this.#shown = entry;
      this.#view.show(entry);
    }
    this.#view.update({ isOpening: false });
  }

  /** Return whether an answer is still to be shown: nothing else has been opened or taken. */
  #isStillOpen(token) {
    return !this.#isClosed && !this.#view.entry && (this.#data.open ?? null) === token;
  }
}

/** Return whether some of the named fields differ. */
function differ(one, other, names) {
  return names.some((name) => one[name] !== other[name]);
}
