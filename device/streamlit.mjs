/**
 * The viewfinder as a component of Streamlit. The same element keeps the same view, and so the same
 * camera.
 */

import { openCorrection, openLookUp, openShare } from "./view/actions.mjs";
import { createElement } from "./view/elements.mjs";
import { createIdentifier } from "./view/identifier.mjs";
import { openRecents } from "./view/recents.mjs";
import { createComponent } from "./view/streamlit_component.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";

const STYLE = new URL("streamlit.css", import.meta.url).href;

/** Height of Streamlit's header with the gap below it. */
const HEADER = "4rem";

/** Show the viewfinder; for `data` see `viewfinder_data` in `ui/viewfinder.py`. */
export default createComponent((parent, data) => new Screen(parent, data));

class Screen {
  #parent;
  #data = null;
  #send = null;
  #identifier = null;
  #recents;
  #view = null;
  /** The entry that the view last reported as shown. */
  #shown = null;
  /** The app's confirmations of entries, by their ids: `{id, token, url}`. */
  #confirmed = new Map();
  /** Draws the link again in the dialog that shows it. */
  #drawLink = null;
  /** The token, or null, that the app was last asked to open; undefined once it has. */
  #asked = undefined;

  constructor(parent, { recent, base }) {
    this.#parent = parent;
    this.#recents = openRecents({ scope: recent, prefix: base });
    parent.append(createElement("link", { rel: "stylesheet", href: STYLE }));
  }

  /** Take new data. */
  update(data, send) {
    const former = this.#data;
    this.#data = data;
    this.#send = send;
    const isNewlyConfirmed = this.#confirm(data.confirmed);
    const isElsewhere = data.open !== (former?.open ?? null) && this.#asked !== data.open;
    if (this.#asked === data.open) this.#asked = undefined;
    // An answer that was confirmed before the visitor left the page is shown again like any other.
    const isOurs = former !== null && isNewlyConfirmed && data.confirmed.token === data.open;
    // Back may change address and model together; the open photo then stays as it was.
    if (isElsewhere && !isOurs) this.#view?.show(null);
    this.#follow(former, data);
    if (isElsewhere && !isOurs) this.#showAddress();
    else if (former && former.token !== data.token) this.#sendAgain();
  }

  close() {
    this.#view.unmount();
    this.#identifier.close();
  }

  /** Give the view its options; another model, engine or mode needs another identifier. */
  #follow(former, data) {
    const previous = this.#identifier;
    const server = {
      url: `${data.base}api/session/`,
      token: data.token,
      model: data.model,
      engine: data.engine,
      // Any trigger runs the script, and so brings the token of the new session.
      renew: () => this.#send("run", this.#data.run),
    };
    const isOther =
      !previous ||
      ["model", "run", "downloads"].some((name) => former[name] !== data[name]) ||
      (former.engine !== data.engine && previous.state.next === "server");
    if (isOther) {
      const address = data.downloads ? `${data.base}device/models/${data.model}/` : null;
      this.#identifier = createIdentifier({ address, server, run: data.run });
    } else {
      previous.setServer(server);
    }
    const options = this.#options(data);
    if (this.#view) this.#view.update(options);
    else this.#view = mountViewfinder(this.#parent, options);
    if (isOther) {
      this.#identifier.start();
      previous?.close();
    }
  }

  #options(data) {
    return {
      identifier: this.#identifier,
      recents: this.#recents,
      models: data.models,
      model: data.model,
      samples: data.samples,
      what: data.words,
      theme: themeOf(this.#parent.host),
      above: HEADER,
      top: data.top,
      actions: {
        why: (entry, options) => this.#identifier.explain(entry.photo, entry.answer, options),
        correct: data.corrections ? (entry) => this.#correct(entry) : null,
        share: (entry) => {
          this.#drawLink = openShare(this.#parent, entry);
        },
        lookUp: (entry) => openLookUp(this.#parent, entry, data.lookUp),
      },
      onModel: (name) => this.#send("model", name),
      run: data.run,
      // Without downloads there is no choice.
      onRun: data.downloads ? (run) => this.#send("run", run) : null,
      onRetry: () => this.#identifier.start(),
      onAnswer: (entry) => {
        this.#shown = entry;
        this.#send("answer", this.#report(entry));
      },
      onOpen: (entry) => this.#tellOpened(entry),
    };
  }

  #correct(entry) {
    openCorrection(this.#parent, {
      entry,
      labels: this.#identifier.info?.labels ?? [],
      save: (labels, photo) =>
        this.#identifier.correct({ answer: entry.answer, labels, photo, token: entry.token }),
    });
  }

  /** Tell the app which answer the visitor opened; one that isn't confirmed yet follows later. */
  #tellOpened(entry) {
    this.#shown = entry;
    const token = entry && (entry.token ?? this.#confirmed.get(entry.id)?.token);
    if (token === undefined || token === this.#data.open) return;
    this.#asked = token;
    this.#send("opened", token);
  }

  /** Keep the link of an answer with its photo; return whether it is new. */
  #confirm(confirmed) {
    if (!confirmed || this.#confirmed.has(confirmed.answerId)) return false;
    const { answerId, id, token, url } = confirmed;
    this.#confirmed.set(answerId, { id, token, url });
    this.#recents.setToken(answerId, token, url);
    if (this.#shown?.id === answerId) {
      Object.assign(this.#shown, { token, url });
      this.#shown.answer.id ??= id;
      this.#drawLink?.();
    }
    return true;
  }

  /** Show the answer in the address, with its photo if this browser keeps it. */
  async #showAddress() {
    const { open, shared } = this.#data;
    const kept = open && (await this.#recents.getByToken(open));
    if (this.#data.open !== open) return;
    const linked =
      shared?.token === open ? { id: open, photo: null, source: "link", alt: "", ...shared } : null;
    this.#shown = kept ?? linked;
    this.#view.show(this.#shown);
  }

  /** Send the answers again: a reconnected app has lost them, or never received them. */
  #sendAgain() {
    const entry = this.#shown;
    if (entry?.answer?.where === "device" && !entry.token) {
      this.#send("answer", this.#report(entry));
    }
  }

  /** Return what the app gets for an answer: an id, or the numbers of a device's answer. */
  #report({ id: answerId, answer }) {
    if (answer.where === "server") return { answerId, kind: "server", id: answer.id };
    const { model, version, graph, candidates, known, novelty, plausible, milliseconds } =
      answer.prediction;
    const indexOf = (label) => this.#identifier.info.labels.indexOf(label);
    return {
      answerId,
      kind: "device",
      model,
      version,
      graph,
      labels: candidates.map(({ label, probability }) => [indexOf(label), probability]),
      known,
      novelty,
      plausible: plausible && plausible.slice(0, candidates.length).map(indexOf),
      milliseconds,
    };
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
