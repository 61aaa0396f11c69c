/**
 * Hold to record: five photos a second while the picture changes. A short press takes one; by key
 * or screen reader, it starts a recording that the next press ends.
 */

import { pause } from "../engine/abort.mjs";
import { cutFrame } from "./crop.mjs";
import { createIcon, h } from "./elements.mjs";
import { randomId } from "../visit/recents.mjs";
import { flag } from "./teach_parts.mjs";
import { endOf } from "./teach_words.mjs";

/** A press that is shorter is a tap. */
const HOLD_MS = 350;
const INTERVAL_MS = 200;
/** Longest time from a pointer's release to its click. */
const CLICK_MS = 100;
/** Side of the small picture by which frames are compared. */
const SIDE = 16;
/** Root mean square of the differences, of 255, from which a picture has changed. */
const CHANGE = 5;
/** Photos that fill the ring; frames that wait for their features: more would fill the memory. */
const [RING, MAX_WAITING] = [50, 10];

export function createShutter({ current, device, hasCamera, isNaming, recording }, on) {
  const isUsable = current && !isNaming && device.isReady;
  const way = hasCamera
    ? `Hold to record ${current}. Press once to start, again to stop.`
    : `Choose photos of ${current}`;
  const next = current && !isNaming ? way : "Hold to record: name a label first";
  const label = recording ? `Recording ${recording.label}. ${endOf(recording)}.` : next;
  const named = { ariaLabel: label, ariaDisabled: String(!isUsable), onclick: on.onShutter };
  const flags = { ...flag("data-none", !isUsable), ...flag("data-down", recording) };
  const icon = recording ? "stop" : hasCamera ? null : "gallery";
  const shown = icon ? createIcon(icon) : h("span", "Hold");
  const share = Math.min(100, ((recording?.count ?? 0) / RING) * 100);
  const shutter = h("button.vf-shutter.tv-shutter", { type: "button", ...named, ...flags }, shown);
  shutter.style.setProperty("--share", `${share}%`);
  return shutter;
}

/**
 * Make the shutter hold, tap and press; return what does so for the space bar, elsewhere on the
 * page, and returns whether it was used.
 */
export function connectShutter({ on, parts, recorder, state }, signal) {
  const { shutter } = parts;
  let pressed = 0;
  let isHeld = false;
  let isKeyHeld = false;
  const down = (isKey) => {
    if (state.recording) return recorder.stop();
    pressed = performance.now();
    [isHeld, isKeyHeld] = [true, isKey];
    return on.onRecord(isKey);
  };
  const up = () => {
    const isLong = performance.now() - pressed > HOLD_MS;
    if (isHeld && (isLong || !isKeyHeld)) recorder.stop();
    isHeld = false;
  };
  const listen = (name, handler) => shutter.addEventListener(name, handler, { signal });
  let pointerAt = -Infinity;
  listen("pointerdown", (event) => {
    if (event.button) return;
    shutter.setPointerCapture(event.pointerId);
    down(false);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    listen(name, (event) => {
      pointerAt = event.timeStamp;
      up();
    });
  }
  listen("contextmenu", (event) => event.preventDefault());
  // A pointer's click was handled above; that of a key or a screen reader comes alone.
  listen("click", (event) => {
    if (event.timeStamp - pointerAt < CLICK_MS) return;
    down(true);
    isHeld = false;
  });
  return (isDown) => state.screen === "teach" && (isDown ? down(true) : up(), true);
}

/** Records the current label; `recording` of the page's state tells how far it is, or is null. */
export class Recorder {
  #page;

  /** @param {any} page see `createHandlers` */
  constructor(page) {
    this.#page = page;
  }

  /** @param {boolean} isToggled whether the next press ends it */
  start(isToggled) {
    const { picture, project, state } = this.#page;
    if (!state.device.isReady || !picture.canTake || project.isFull()) return;
    navigator.vibrate?.(10);
    const count = { label: state.current, count: 0, waiting: 0 };
    const recording = { id: randomId(), ...count, ending: new AbortController(), isToggled };
    this.#page.change({ recording, note: "", undo: null, isUnfolded: false });
    picture.setLive(false);
    // If memory is short, it ends, and a line says so.
    project.try(() =>
      this.#record(recording).finally(() => state.recording === recording && this.stop()),
    );
  }

  stop() {
    const { picture, project, state } = this.#page;
    if (!state.recording) return;
    state.recording.ending.abort();
    this.#page.change({ recording: null });
    picture.setLive(true);
    project.train();
  }

  /** Take frames that differ from the one before. */
  async #record(recording) {
    const { parts, picture, project } = this.#page;
    const { signal } = recording.ending;
    let last = null;
    for (let number = 0; !signal.aborted; number++) {
      if (!picture.canTake || project.isFull(recording.waiting + 1)) return this.stop();
      const frame = cutFrame(parts.video, picture.region);
      const small = shrink(frame);
      if (recording.waiting < MAX_WAITING && differs(small, last)) {
        last = small;
        this.#take(recording, frame);
      }
      await pause(number ? INTERVAL_MS : HOLD_MS, signal).catch(() => {});
    }
    return undefined;
  }

  async #take(recording, frame) {
    const { change, project } = this.#page;
    const { id, label } = recording;
    recording.waiting++;
    const isTaken = await project.try(() => project.take({ label, recording: id }, frame));
    recording.waiting--;
    if (!isTaken) return this.stop();
    // Only what is kept is counted.
    recording.count++;
    change({});
    return project.train();
  }
}

function shrink(frame) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(frame, 0, 0, SIDE, SIDE);
  return context.getImageData(0, 0, SIDE, SIDE).data;
}

function differs(small, last) {
  if (!last) return true;
  const sum = small.reduce((total, value, at) => total + (value - last[at]) ** 2, 0);
  // A quarter of the values are the alpha.
  return Math.sqrt(sum / (small.length * 0.75)) > CHANGE;
}
