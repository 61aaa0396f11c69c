/** The screen of "Teach" by its state. Drawing again changes only what differs. */

import { cornersOf } from "./answer_view.mjs";
import { CAN_RETRY, REASONS } from "./camera_access.mjs";
import { fetchingOf, formatBytes } from "./disclosure.mjs";
import { createButton, createIcon, h } from "./elements.mjs";
import { phraseNodes } from "./phrasing.mjs";
import { bdi, LabelRow, nodesOf } from "./teach_parts.mjs";
import { count, isEnough, roomLeft, WORTH_A_TRY } from "./teach_words.mjs";

/** Photos of a recording that fill the ring. */
const RING = 50;
/** Photos of a confusion that are shown. */
const ODD = 4;
const HERE = "On this device: the photos stay here";
const CHANGES = "Turn it, come closer. A photo is taken only when the picture changes.";

/** Replace children only if their data has changed, so that the focus stays. */
export function redraw(element, key, create) {
  const text = JSON.stringify(key);
  if (element.dataset.key === text) return;
  element.dataset.key = text;
  element.replaceChildren(...create());
}

/** Return whether the camera is open or may be opened. */
export const canFilm = ({ access, camera }) =>
  camera.state !== "closed" || !REASONS[access] || access === "idle";

/**
 * @param {any} parts see `createTeachParts`
 * @param {any} state
 * @param {import("./live_picture.mjs").LivePicture} picture
 * @param {any} on
 */
export function renderTeach(parts, state, picture, on) {
  const { camera } = picture;
  const hasCamera = canFilm(picture);
  const view = { ...state, hasCamera, isOpen: camera.state === "open", access: picture.access };
  drawPicture(parts, view, picture);
  drawLabels(parts, view, on);
  drawWords(parts, view, on);
  drawDeck(parts, view, on);
}

function drawPicture(parts, view, picture) {
  const { access, isOpen, options, project, recording } = view;
  const answer = recording ? null : picture.shown;
  parts.square.dataset.tone = answer ? cornersOf(answer) : "";
  parts.pill.hidden = !answer;
  redraw(parts.pill, answer?.headline, () => (answer ? phraseNodes(answer.headline, "und") : []));
  parts.picture.toggleAttribute("data-empty", !isOpen);
  parts.hint.hidden = isOpen || access === "checking";
  parts.hintText.textContent = REASONS[access]?.replace(/Taking a photo/, "Choosing photos") ?? "";
  parts.openCamera.hidden = Boolean(REASONS[access]) && !CAN_RETRY.has(access) && access !== "idle";
  parts.capturePhoto.hidden = view.hasCamera || access === "missing";
  parts.flip.hidden = !isOpen || !picture.camera.canFlip;
  parts.back.hidden = !options.back;
  parts.back.href = options.back ?? "";
  redraw(parts.chip, project.title, () => [
    project.title ? bdi(project.title) : "New model",
    createIcon("down"),
  ]);
}

function drawLabels(parts, view, on) {
  const { current, isDesk, outcome, project, recording, rows, urls } = view;
  const { labels, photos } = project;
  const confused = confusionOf(view);
  const isFolded = confused && !isDesk && !view.isUnfolded && labels.length > 1;
  const shown = isFolded ? [confused.label] : labels;
  for (const label of labels) if (!rows.has(label)) rows.set(label, new LabelRow(label, on));
  redraw(parts.labels, [shown, isFolded], () => {
    const text = `Show all ${labels.length} labels`;
    const unfold = createButton("vf-text-button", text, { onclick: on.onUnfold });
    return [
      ...shown.map((label) => rows.get(label).element),
      ...(isFolded ? [h("li.tv-unfold", unfold)] : []),
    ];
  });
  for (const label of shown) {
    const own = photos.filter((photo) => photo.label === label);
    rows.get(label).update({
      photos: own,
      recordings: outcome?.groups.get(label) ?? new Set(own.map((one) => one.recording)).size,
      isCurrent: label === current && !view.isNaming,
      isDim: Boolean(recording) && recording.label !== label,
      ...{ isDesk, urls, few: WORTH_A_TRY },
    });
  }
}

/** Return the confusion that is shown with its photos, or null. */
export function confusionOf({
  adding,
  confirmed,
  hasCamera,
  isNaming,
  outcome,
  project,
  recording,
}) {
  if (adding || recording || isNaming || !project.labels.length) return null;
  const { confusion } = isEnough(project, outcome, hasCamera);
  return confusion?.photos.every((id) => confirmed.has(id)) ? null : (confusion ?? null);
}

function drawWords(parts, view, on) {
  const { adding, device, isDesk, isNaming, note, project, recording, undo } = view;
  const { labels } = project;
  const isAsking = !recording && !adding && !device.reason && (isNaming || !labels.length);
  parts.form.hidden = !isAsking;
  parts.tools.hidden = !isDesk || isAsking;
  parts.askLine.textContent = view.pending.length
    ? `Name what ${count(view.pending.length, "photo")} show${view.pending.length === 1 ? "s" : ""}.`
    : view.hasCamera
      ? "Name it, then hold the button and film it from all sides for a few seconds."
      : "Name it, then choose photos of it: from all sides, in any light.";
  const example = labels.length ? "Next label" : "First label, for example sneakers";
  parts.field.placeholder = parts.field.ariaLabel = example;
  parts.askNote.textContent =
    labels.length < 2
      ? "Two labels make a model. It is trained on this device, and no photo leaves it."
      : "";
  const said = device.reason
    ? { title: ["Teaching isn’t possible here."], line: [device.reason] }
    : say(view);
  parts.enough.hidden = isAsking && !note && !device.reason;
  parts.title.hidden = parts.line.hidden = isAsking && !device.reason;
  const { word, title, line, isRoom, next } = said;
  const head = title ?? ["Is it enough? ", ...(word ? [word] : [])];
  redraw(parts.title, [head, word], () =>
    word && word !== "Yes." ? [...nodesOf(head.slice(0, -1)), h("em", head.at(-1))] : nodesOf(head),
  );
  redraw(parts.line, line, () => nodesOf(line));
  parts.enough.toggleAttribute("data-edge", Boolean(isRoom));
  parts.room.hidden = !isRoom;
  drawConfusion(parts, view, isAsking ? null : confusionOf(view), on);
  parts.next.hidden = !next || isAsking;
  redraw(parts.next, next ?? [], () => nodesOf(next ?? []));
  parts.note.hidden = !note && !(undo && !isDesk);
  redraw(parts.noteText, note ?? "", () => [note]);
  parts.undo.hidden = !undo || isDesk;
  redraw(parts.undo, undo?.text, () => [
    createIcon("back"),
    h("span", "Undo: ", ...nodesOf(["", ...(undo?.text ?? [])])),
  ]);
}

/** Return title, line and further parts of what is said below the labels. */
function say(view) {
  const { adding, isDesk, outcome, project, recording } = view;
  if (recording) {
    const number = `: ${count(recording.count, "photo")}`;
    return { title: ["Recording ", { label: recording.label }, number], line: [CHANGES] };
  }
  if (adding) return { title: [`Adding photos: ${adding.done} of ${adding.total}`], line: [] };
  if (!project.labels.length) return { title: [], line: [] };
  const left = roomLeft(project, view.isPersisted);
  if (left) return { title: [left.title], line: [left.line], isRoom: true };
  const said = isEnough(project, outcome, view.hasCamera);
  const confused = confusionOf(view);
  if (!confused || isDesk) return said;
  const { called, groups, label, of } = confused;
  const title = [
    { label },
    " called ",
    { label: called },
    ": ",
    `${groups} of ${count(of, "recording")}`,
  ];
  return { title, word: title.at(-1), line: [], next: said.next };
}

function drawConfusion({ acts, odd }, { project, urls }, confusion, on) {
  acts.hidden = odd.hidden = !confusion;
  redraw(odd, confusion?.photos ?? [], () => {
    if (!confusion) return [];
    const shown = project.photos.filter(({ id }) => confusion.photos.includes(id));
    const open = () => on.onPhotos(confusion.label, confusion.photos);
    const items = shown.slice(0, ODD).map((photo) => {
      const image = h("img", { alt: `Called ${confusion.called}`, src: urls.of(photo) });
      return h("li", h("button", { type: "button", onclick: open }, image), bdi(confusion.called));
    });
    const more = shown.length - ODD;
    const name = `All ${shown.length} photos`;
    const button = { type: "button", ariaLabel: name, onclick: open };
    return more > 0 ? [...items, h("li", h("button.tv-more", button, `+${more}`))] : items;
  });
  redraw(acts, confusion ? [confusion.label, confusion.called, confusion.photos] : [], () => {
    if (!confusion) return [];
    const { called, label, photos } = confusion;
    const act = (text, icon, onclick) => createButton("vf-button.tv-slim", text, { icon, onclick });
    const right = createButton("vf-button.tv-slim", "", { onclick: () => on.onConfirm(photos) });
    right.replaceChildren(h("span", "They’re ", bdi(label)));
    return [
      act("Move", "move", () => on.onMove(photos, called)),
      act("Remove", "trash", () => on.onRemove(photos)),
      right,
    ];
  });
}

function drawDeck(parts, view, on) {
  const { current, device, hasCamera, isDesk, isNaming, options, project, recording, undo } = view;
  const { labels, photos } = project;
  const isEmpty = !photos.some(({ label }) => label === current) || isNaming;
  const isReady = Boolean(view.taught);
  const photosButton = ["gallery", "Photos", on.onPick];
  const left = isDesk || isEmpty ? photosButton : ["more", "New label", on.onNewLabel];
  const other = !photos.length ? ["folder", "Open", on.onOpenFile] : ["check", "Use it", on.onDone];
  const right = isDesk && photos.length ? ["back", "Undo", on.onUndo] : other;
  const isHidden = Boolean(recording) || (isDesk && right[1] === "Undo" && !undo);
  drawAct(parts.left, left, { isHidden: Boolean(recording) });
  drawAct(parts.right, right, { isHidden, isOff: right[1] === "Use it" && !isReady });
  const { shutter } = parts;
  const isUsable = current && !isNaming && device.isReady;
  shutter.toggleAttribute("data-none", !isUsable);
  shutter.toggleAttribute("data-down", Boolean(recording));
  shutter.setAttribute("aria-disabled", String(!isUsable));
  shutter.style.setProperty("--share", `${Math.min(100, ((recording?.count ?? 0) / RING) * 100)}%`);
  const icon = recording ? "stop" : hasCamera ? null : "gallery";
  redraw(shutter, icon, () => [icon ? createIcon(icon) : h("span", "Hold")]);
  const isEnding = recording?.isToggled ? "Press to stop." : "Let go to stop.";
  shutter.ariaLabel = recording
    ? `Recording ${recording.label}. ${isEnding}`
    : !current || isNaming
      ? "Hold to record: name a label first"
      : hasCamera
        ? `Hold to record ${current}. Press once to start, again to stop.`
        : `Choose photos of ${current}`;
  for (const name of ["use", "saveFile", "putInApp"]) parts[name].disabled = !isReady;
  parts.finish.hidden = !isDesk || !photos.length;
  const isFetching = !device.isReady && !device.reason;
  const text = recording
    ? isEnding.slice(0, -1)
    : isFetching
      ? fetchingOf(device)
      : isDesk && photos.length
        ? `${HERE}. ${count(photos.length, "photo")}, ${formatBytes(project.bytes)}.`
        : (options.where ?? HERE);
  parts.clear.hidden = !isDesk || !labels.length || Boolean(recording);
  parts.where.disabled = Boolean(recording);
  redraw(parts.where, [text, labels.length > 0], () =>
    recording ? [text] : [createIcon("phone"), h("span", text)],
  );
  // Numbers that change aren’t read aloud.
  parts.status.textContent = recording || view.adding ? "" : parts.title.textContent;
}

/** @type {(button: any, act: any[], options: {isHidden: boolean, isOff?: boolean}) => void} */
function drawAct(button, [icon, text, onclick], { isHidden, isOff = false }) {
  button.hidden = isHidden;
  button.disabled = isOff;
  button.onclick = onclick;
  redraw(button, text, () => [createIcon(icon), h("span", text)]);
}
