/**
 * The visitor's recent photos with their answers, in the visitor's own browser.
 *
 * - `session`: for the tab and its reloads. Photos of a closed tab are deleted when the app is next
 *   opened.
 * - `day`: for 24 hours, in all tabs.
 *
 * Where the browser keeps nothing (a private window, a full disk, another site's frame), they last
 * until the page is left.
 */

import { openDatabase, resultOf } from "./database.mjs";

export const MAX_PHOTOS = 8;

const DAY_MS = 24 * 60 * 60 * 1000;

const FIELDS = ["id", "photo", "source", "alt", "answer", "earlier", "isLearned", "wasSent"];

export class Recents {
  /** Called once another tab has cleared them. */
  onclear = null;
  #scope;
  #name;
  #session;
  /** Promise of the database, or of null without one. */
  #database;
  /** Promise of the records, newest first: an entry, its time and its session. */
  #records;
  /** Settles when all changes are stored, with whether the last of them was. */
  #stored = Promise.resolve(true);
  /** Tells the other tabs, whose photos are in memory as well. */
  #channel;

  /** `prefix` tells apps of one origin apart. */
  constructor({ scope = "session", prefix = "" } = {}) {
    const name = `loupe-recents:${prefix}`;
    this.#scope = scope;
    this.#name = name;
    this.#session = sessionOf(name);
    holdLock(`${name} ${this.#session}`);
    this.#database = openDatabase(name, { photos: { keyPath: "id" } }).catch(() => null);
    this.#records = this.#read().catch(() => []);
    this.#channel = openChannel(name, () => {
      this.#change(() => []);
      this.onclear?.();
    });
  }

  close = () => this.#channel?.close();

  /** Return the entries, newest first, those without an answer as well. */
  async list() {
    const isCurrent = (record) => this.#scope !== "day" || !isOld(record);
    const records = await this.#change((previous) => previous.filter(isCurrent));
    return records.map(({ entry }) => entry);
  }

  /** Put an entry first, in place of one with its id; the oldest beyond `MAX_PHOTOS` is dropped. */
  async add(entry) {
    const [{ kept }] = await this.#change((previous) => {
      const others = previous.filter((other) => other.entry.id !== entry.id);
      // Later than all others, even within a millisecond, because the order is read from it.
      const time = Math.max(Date.now(), (previous[0]?.kept ?? 0) + 1);
      return [{ entry, kept: time }, ...others].slice(0, MAX_PHOTOS);
    });
    const fields = Object.fromEntries(FIELDS.map((name) => [name, entry[name]]));
    this.#store((photos) => photos.put({ ...fields, kept, session: this.#session }));
  }

  /**
   * Return the entry with this id if it has no answer or no token is given; otherwise an entry with
   * the answer that has this token; or null.
   */
  async find({ token, photo }) {
    const entries = await this.list();
    // Two photos may have the same answer.
    const first = entries.filter(({ id }) => id === photo);
    if (!token || first[0]?.answer === null) return first[0] ?? null;
    for (const entry of [...first, ...entries]) {
      const answers = [entry.answer ?? [], entry.earlier ?? []].flat();
      const answer = answers.find((one) => one.token === token);
      if (answer) return { ...entry, answer, earlier: answers.filter((one) => one !== answer) };
    }
    return null;
  }

  /** Delete all of them, those of other tabs as well; return whether none is left. */
  async clear() {
    await this.#change(() => []);
    this.#store((photos) => photos.clear());
    this.#channel?.postMessage("cleared");
    return this.#stored;
  }

  /** Replace the records, in the order of calls; those that are dropped leave the database. */
  #change(next) {
    this.#records = this.#records.then((previous) => {
      const records = next(previous);
      const ids = new Set(records.map(({ entry }) => entry.id));
      this.#delete(previous.map(({ entry }) => entry.id).filter((id) => !ids.has(id)));
      return records;
    });
    return this.#records;
  }

  #delete(ids) {
    if (ids.length) this.#store((photos) => ids.forEach((id) => photos.delete(id)));
  }

  /** Change the database after all earlier changes; a failure leaves what is in memory. */
  #store(work) {
    const run = async () => {
      await (await this.#database)?.run("readwrite", async ({ photos }) => work(photos));
      return true;
    };
    this.#stored = this.#stored.then(run).catch(() => false);
  }

  /** Return the stored entries that are of this session or day; delete the others. */
  async #read() {
    const database = await this.#database;
    if (!database) return [];
    const kept = await database.run("readonly", ({ photos }) => resultOf(photos.getAll()));
    const isExpired = this.#scope === "day" ? isOld : await this.#leftBehind();
    this.#delete(kept.filter(isExpired).map(({ id }) => id));
    const records = kept
      .filter((record) => !isExpired(record))
      .filter(({ session }) => this.#scope === "day" || session === this.#session)
      .sort((a, b) => b.kept - a.kept);
    // Two tabs may have added as many each.
    this.#delete(records.splice(MAX_PHOTOS).map(({ id }) => id));
    return records.map(({ kept: time, session, ...entry }) => ({ entry, kept: time }));
  }

  /** Return a function that tells records of closed tabs from those of this and other open ones. */
  async #leftBehind() {
    const { held = [] } = (await navigator.locks?.query().catch(() => null)) ?? {};
    const names = new Set(held.map(({ name }) => name));
    return (record) => {
      if (record.session === this.#session) return false;
      // Browsers have locks only on https; elsewhere, other tabs may be open for a day.
      return navigator.locks ? !names.has(`${this.#name} ${record.session}`) : isOld(record);
    };
  }
}

const isOld = ({ kept }) => Date.now() - kept > DAY_MS;

/** Return a random id of an entry or a session; `randomUUID` is missing on plain http. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Open a channel between tabs; return null if the browser doesn't support them. */
export function openChannel(name, onmessage) {
  if (!("BroadcastChannel" in globalThis)) return null;
  return Object.assign(new BroadcastChannel(name), { onmessage });
}

/** Return the id of this tab's session, which survives reloads. */
function sessionOf(name) {
  const fresh = randomId();
  try {
    const kept = sessionStorage.getItem(name);
    if (!kept) sessionStorage.setItem(name, fresh);
    return kept ?? fresh;
  } catch {
    return fresh;
  }
}

/** Hold a lock until the page is left, by which other tabs see that this one is open. */
function holdLock(name) {
  // Shared, because a duplicated tab has the same session.
  navigator.locks?.request(name, { mode: "shared" }, () => new Promise(() => {})).catch(() => {});
}
