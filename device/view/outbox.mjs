/** Time after which messages that haven't been acknowledged are sent again, in milliseconds. */
const LOST_MS = 2000;

/**
 * Messages to the page's script. Streamlit drops one if another follows before the script has taken
 * it, and loses those to a server that is gone, so all go together until they are acknowledged.
 */
export class Outbox {
  #messages = [];
  #last = 0;
  #setTrigger = null;
  #resending;

  /**
   * Go on with new data of the script's.
   *
   * @param {number} heard the last message that its session has taken
   * @param {(name: string, value: unknown) => void} setTrigger
   */
  update(heard, setTrigger) {
    this.#setTrigger = setTrigger;
    // The screen before this one in the same session counted, too.
    this.#last = Math.max(this.#last, heard);
    this.#messages = this.#messages.filter(({ id }) => id > heard);
  }

  /**
   * Send a message, in place of an earlier one with its name; only requests are many.
   *
   * @param {string} name
   * @param {unknown} [value]
   */
  add(name, value = null) {
    if (name !== "request") this.#messages = this.#messages.filter((one) => one.name !== name);
    this.#messages.push({ id: ++this.#last, name, value });
    this.#send();
  }

  /** Whether such a message waits to be acknowledged. */
  has(name) {
    return this.#messages.some((one) => one.name === name);
  }

  close() {
    clearTimeout(this.#resending);
  }

  #send() {
    clearTimeout(this.#resending);
    this.#setTrigger("messages", this.#messages);
    // A photo takes its time, and has a limit of its own.
    if (!this.has("request")) {
      this.#resending = setTimeout(() => this.#messages.length && this.#send(), LOST_MS);
    }
  }
}
