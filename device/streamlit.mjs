/**
 * The viewfinder as a component of Streamlit. The same element keeps the same view, and so the same
 * camera.
 */

import { openCorrection, openLookUp, openShare } from "./view/actions.mjs";
import { createElement } from "./view/elements.mjs";
import { createIdentifier } from "./view/identifier.mjs";
import { openRecents } from "./view/recents.mjs";
import { Server } from "./view/server.mjs";
import { SocketServer } from "./view/socket_server.mjs";
import { createComponent } from "./view/streamlit_component.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";

const STYLE = new URL("streamlit.css", import.meta.url).href;

/** Height of Streamlit's header with the gap below it. */
const HEADER = "4rem";

/** The source of photos from Streamlit's own widgets. */
const GIVEN = "given";

/** Show the viewfinder; for `data` see `_data` in `ui/viewfinder.py`. */
export default createComponent((parent, data) => new Screen(parent, data));

class Screen {
  #parent;
  #data = null;
  #send = null;
  #server = null;
  #identifier = null;
  #recents;
  #view = null;
  /** The entry that the view last reported as shown. */
  #shown = null;
  /** Tokens that the app was asked to open and hasn't yet, oldest first; null closes. */
  #asked = [];
  /** The model that the visitor chose for the open photo, until the app has followed. */
  #chosen = null;

  constructor(parent, { recent, base, capture }) {
    this.#parent = parent;
    this.#recents = openRecents({ scope: recent, prefix: base });
    // Below Streamlit's own widgets there is no gap to close.
    if (!capture) parent.host.style.setProperty("--to-header", "0");
    parent.append(createElement("link", { rel: "stylesheet", href: STYLE }));
  }

  /** Take new data. */
  update(data, send) {
    const former = this.#data;
    this.#data = data;
    this.#send = send;
    if (this.#chosen === data.model) this.#chosen = null;
    const isEcho = this.#asked.includes(data.open);
    if (isEcho) this.#asked.splice(0, this.#asked.indexOf(data.open) + 1);
    const isElsewhere =
      data.open !== (former?.open ?? null) && !isEcho && data.open !== this.#token;
    const isNewModel = former !== null && former.model !== data.model;
    // An answer that another model is to replace isn't open any more, but its photo is.
    const isReplaced =
      isElsewhere && data.open === null && isNewModel && Boolean(this.#shown?.photo);
    if (isElsewhere && !isReplaced) this.#view?.show(null);
    const isOther = this.#follow(former) && former !== null;
    if (data.given && data.given.id !== former?.given?.id) this.#take(data.given);
    else if (isElsewhere && !isReplaced) this.#showAddress();
    // A reconnected app has forgotten which answer is open.
    else if (former && former.token !== data.token && this.#token && !data.open) {
      this.#open(this.#token);
    } else if (isOther) this.#identifyAgain(former);
  }

  close() {
    this.#view.unmount();
    this.#identifier.close();
  }

  get #token() {
    return this.#shown?.token ?? null;
  }

  get #model() {
    return this.#chosen ?? this.#data.model;
  }

  /**
   * Give the view its options; another model, engine or mode needs another identifier. Return
   * whether it is another one.
   */
  #follow(former) {
    const data = this.#data;
    const previous = this.#identifier;
    const model = this.#model;
    const isOther =
      !previous ||
      previous.model !== model ||
      ["run", "downloads"].some((name) => former[name] !== data[name]) ||
      (former.engine !== data.engine && previous.state.next === "server");
    const server = {
      url: `${data.base}api/session/`,
      token: data.token,
      model,
      engine: data.engine,
      response: data.response,
      send: (request) => this.#send("request", request),
      // Any trigger runs the script, and so brings the token of the new session.
      renew: () => this.#send("run", this.#data.run),
    };
    if (isOther) {
      this.#server = data.routes ? new Server(server) : new SocketServer(server);
      const address = data.downloads ? `${data.base}device/models/${model}/` : null;
      this.#identifier = createIdentifier({ model, address, server: this.#server, run: data.run });
    } else {
      this.#server.update(server);
    }
    const options = this.#options();
    if (this.#view) this.#view.update(options);
    else this.#view = mountViewfinder(this.#parent, options);
    if (isOther) {
      this.#identifier.start();
      previous?.close();
    }
    return isOther;
  }

  #options() {
    const data = this.#data;
    return {
      identifier: this.#identifier,
      recents: this.#recents,
      hasCamera: data.capture,
      sent: "numbers only",
      models: data.models,
      model: this.#model,
      samples: data.capture ? data.samples : [],
      what: data.words,
      theme: themeOf(this.#parent.host),
      above: data.capture ? HEADER : null,
      top: data.top,
      rows: data.rows,
      actions: {
        why: (entry, options) => this.#identifier.explain(entry.photo, entry.answer, options),
        correct: data.corrections ? (entry) => this.#correct(entry) : null,
        share: (entry) => openShare(this.#parent, entry),
        lookUp: (entry) => openLookUp(this.#parent, entry, data.lookUp),
      },
      onModel: (name) => this.#choose(name),
      run: data.run,
      // Without downloads there is no choice.
      onRun: data.downloads ? (run) => this.#send("run", run) : null,
      onRetry: () => this.#identifier.start(),
      onOpen: (entry) => {
        this.#shown = entry;
        if (this.#token !== this.#data.open) this.#open(this.#token);
      },
      onError: () => {
        if (this.#chosen) this.#send("model", this.#chosen);
      },
    };
  }

  #open(token) {
    this.#asked.push(token);
    this.#send("opened", token);
  }

  /** Choose a model; of an open photo, the app follows once the model's answer is there. */
  #choose(name) {
    const { entry } = this.#view;
    // The app keeps the upload itself.
    if (!entry?.photo || entry.source === GIVEN) return this.#send("model", name);
    this.#chosen = name;
    this.#follow(this.#data);
    return this.#view.identifyAgain();
  }

  /** Identify the open photo by the new model, engine or mode, unless that gave its answer. */
  #identifyAgain(former) {
    const isSameWay = ["run", "downloads", "engine"].every(
      (name) => former[name] === this.#data[name],
    );
    const isItsModel = this.#view.entry?.answer?.prediction.model === this.#model;
    if (!(isSameWay && isItsModel)) this.#view.identifyAgain();
  }

  #correct(entry) {
    openCorrection(this.#parent, {
      entry,
      labels: this.#identifier.info?.labels ?? [],
      save: (labels, photo) => this.#identifier.correct({ answer: entry.answer, labels, photo }),
    });
  }

  /** Show a photo from one of Streamlit's widgets with its answer. */
  async #take({ id, url, alt, answer }) {
    const response = await fetch(url).catch(() => null);
    if (this.#data.open !== answer.token) return;
    if (response?.ok) await this.#view.take(await response.blob(), GIVEN, alt, answer, id);
    else this.#showAddress();
  }

  /** Show the answer in the address, with its photo if this browser keeps it. */
  async #showAddress() {
    const { open, shared } = this.#data;
    const kept = open && (await this.#recents.getByToken(open));
    if (this.#data.open !== open) return;
    const linked = shared && {
      id: open,
      photo: null,
      source: "link",
      alt: "",
      token: open,
      ...shared,
    };
    this.#shown = kept || linked;
    this.#view.show(this.#shown);
  }
}

/** Return "dark" or "light", by the background of Streamlit's theme. */
function themeOf(host) {
  const probe = document.createElement("i");
  probe.style.color = "var(--st-background-color)";
  host.before(probe);
  const [red, green, blue] = getComputedStyle(probe)
    .color.match(/[\d.]+/g)
    .map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
}
