/**
 * The link of components with Streamlit: one screen for each element, for as long as it is shown;
 * messages to the page's script that aren't lost; and whether the server can be reached.
 */

/** Time after which unacknowledged messages are sent again, in milliseconds; twice that each time. */
const LOST_MS = 2000;

/** Attribute in which Streamlit's page states its connection, for Streamlit's own tests. */
const STATE = "data-test-connection-state";
const CONNECTED = "CONNECTED";

/** Longest interruption that isn't reported, in milliseconds. */
const GRACE_MS = 1500;

/**
 * Return a component's default export, which Streamlit calls with `{parentElement, data,
 * setTriggerValue}` whenever `data` or the theme changes, and which returns what ends that call.
 *
 * @param {(parent: ShadowRoot, data: object) => {update: Function, close: Function}} create makes
 *   the screen of a new element; `update` takes `data` and `setTriggerValue(name, value)`, which
 *   runs the page's script
 */
export function createComponent(create) {
  const mounted = new WeakMap();
  return ({ parentElement, data, setTriggerValue }) => {
    let entry = mounted.get(parentElement);
    if (!entry) {
      mounted.set(parentElement, (entry = { screen: create(parentElement, data), calls: 0 }));
    }
    entry.screen.update(data, setTriggerValue);
    const call = ++entry.calls;
    return () => {
      // Streamlit also ends a call that a newer one has replaced; only the newest one's end counts.
      if (call !== entry.calls) return;
      mounted.delete(parentElement);
      entry.screen.close();
    };
  };
}

/**
 * Messages to the page's script. Streamlit drops one if another follows before the script has taken
 * it, and loses those to a server that is gone, so all go together until they are acknowledged.
 */
export class Outbox {
  #messages = [];
  #last = 0;
  #setTrigger = null;
  #resending;
  #wait = LOST_MS;

  /**
   * Take new data from the script.
   *
   * @param {number} heard number of the last message that the session has taken
   * @param {(name: string, value: unknown) => void} setTrigger
   */
  update(heard, setTrigger) {
    this.#setTrigger = setTrigger;
    // Numbers continue those of the session's previous screen.
    this.#last = Math.max(this.#last, heard);
    this.#messages = this.#messages.filter(({ id }) => id > heard);
  }

  /**
   * Send a message. It replaces an earlier one of its name, except for requests.
   *
   * @param {string} name
   * @param {unknown} [value]
   */
  add(name, value = null) {
    if (name !== "request") this.#messages = this.#messages.filter((one) => one.name !== name);
    this.#messages.push({ id: ++this.#last, name, value });
    this.#wait = LOST_MS;
    this.#send();
  }

  /** Return the message of that name that waits to be acknowledged; undefined if none does. */
  find(name) {
    return this.#messages.find((one) => one.name === name);
  }

  close() {
    clearTimeout(this.#resending);
  }

  #send() {
    clearTimeout(this.#resending);
    this.#setTrigger("messages", this.#messages);
    // Requests have a time limit of their own, because photos take long.
    if (!this.find("request")) {
      this.#resending = setTimeout(() => this.#messages.length && this.#send(), this.#wait);
      // Each one restarts the script, which a busy server may need longer for.
      this.#wait *= 2;
    }
  }
}

/**
 * Report whether the server can be reached, now and after each change. Streamlit notices within a
 * moment that a server is gone, and joins a new one.
 *
 * @param {(isConnected: boolean) => void} onchange
 * @returns {() => void} ends it
 */
export function followConnection(onchange) {
  const app = document.querySelector(`[${STATE}]`);
  if (!app) return () => {};
  let timer;
  const report = () => {
    clearTimeout(timer);
    if (app.getAttribute(STATE) === CONNECTED) onchange(true);
    else timer = setTimeout(() => onchange(false), GRACE_MS);
  };
  const observer = new MutationObserver(report);
  observer.observe(app, { attributeFilter: [STATE] });
  report();
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}

/**
 * Return "dark" or "light", by the background of Streamlit's theme.
 *
 * @param {Element} host
 * @returns {"dark" | "light"}
 */
export function themeOf(host) {
  const probe = document.createElement("i");
  probe.style.color = "var(--st-background-color)";
  host.before(probe);
  const [red, green, blue] = getComputedStyle(probe)
    .color.match(/[\d.]+/g)
    .map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
}
