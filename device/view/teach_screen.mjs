/** The screen of "Teach" by its state: picture, labels, words, and the deck with the shutter. */

import { cornersOf } from "./answer_view.mjs";
import { CAN_RETRY, REASONS } from "./camera.mjs";
import { fetchingOf, formatBytes } from "./disclosure.mjs";
import { createButton, createIcon, h } from "./elements.mjs";
import { createCorners } from "./photo_view.mjs";
import { phraseNodes } from "./phrasing.mjs";
import {
  bdi,
  capitalized,
  createUndo,
  draw,
  flag,
  iconButton,
  nodesOf,
  tool,
} from "./teach_parts.mjs";
import { WAYS } from "./teach_pages.mjs";
import { createShutter } from "./teach_shutter.mjs";
import { amountOf, count, ENOUGH, photosOf, sayOf, WORTH_A_TRY } from "./teach_words.mjs";

/** Photos of a label that fill the ruler. */
const RULER = 20;
/** Photos of a row, on a phone and on a desk; and of a confusion. */
const [THUMBS, DESK_THUMBS, ODD] = [3, 6, 4];
const HERE = "On this device: the photos stay here";
const CHANGES = "A photo is taken when the picture changes";
const TWO = "Two labels make a model. It is trained on this device, and no photo leaves it";
const UNLESS = " unless you send it";
const DROP = "Drop folders anywhere: a folder’s name is its label";

/** Return whether the camera is open or may be opened. */
export const canFilm = ({ access, camera }) =>
  camera.state !== "closed" || !REASONS[access] || access === "idle";

/** Return the elements that stay, by name; `on` has the handlers. */
export function createTeachParts(on) {
  const video = h("video.vf-video", { muted: true, playsInline: true, autoplay: true });
  video.ariaHidden = "true";
  const hint = h("div.tv-hint");
  const square = h("div.vf-square", { onclick: on.onSquare }, hint, createCorners());
  const [topbar, pill] = [h("div.tv-topbar"), h("p.tv-pill")];
  const picture = h("div.tv-picture", video, h("div.vf-stage", square), topbar, pill);
  const [middle, deck, page] = [h("div.tv-middle"), h("div.tv-deck"), h("div.tv-page")];
  const main = h("div.tv-main", picture, middle, deck);
  const status = h("p.vf-unseen", { role: "status" });
  // Live answers are read aloud from here.
  const spoken = h("p.vf-unseen", { ariaLive: "polite" });
  // Of any type: the content decides.
  const pick = createInput(on.onChosen, { multiple: true });
  const capture = createInput(on.onChosen, { accept: "image/*" });
  capture.setAttribute("capture", "environment");
  const open = createInput(([file]) => on.onFile(file), { accept: ".loupe,.zip,.txt" });
  const touch = { onpointerdown: on.onTouch, onkeydown: on.onTouch };
  const root = h("div.vf.tv", { hidden: true, ...touch }, main, page, status, spoken);
  root.append(pick, capture, open);
  const pictured = { hint, picture, pill, square, topbar, video };
  return {
    ...{ ...pictured, capture, deck, main, middle, open, page, pick, root, spoken, status },
    get field() {
      return /** @type {HTMLInputElement} */ (middle.querySelector(".tv-field"));
    },
    get shutter() {
      return /** @type {HTMLButtonElement} */ (deck.querySelector(".tv-shutter"));
    },
  };
}

function createInput(use, options) {
  const onchange = ({ target }) => {
    const files = [...target.files];
    target.value = "";
    use(files);
  };
  return h("input", { type: "file", hidden: true, onchange, ...options });
}

export function renderTeach(parts, state, picture, on) {
  const { adding, device, isDesk, isNaming, note, project, recording } = state;
  const isBusy = recording || adding || device.reason;
  const isAsking = !isBusy && (isNaming || !project.labels.length);
  const view = { ...state, hasCamera: canFilm(picture), isAsking };
  const said = isAsking ? null : sayOf(view);
  const confused = said?.confusion;
  const photos = h("div", ...(confused ? [createConfusion(confused, view, on)] : []));
  drawPicture(parts, view, picture, on);
  draw(
    parts.middle,
    createHead(confused, view, on),
    h(
      "div.tv-list",
      createLabels(confused, view, on),
      createForm(view, on),
      h("p.vf-small.tv-drop", { hidden: !isDesk || isAsking || Boolean(device.reason) }, DROP),
      ...(isDesk ? [] : [photos]),
      h("p.vf-small.tv-note", { role: "alert", hidden: !note }, note),
    ),
    createWords(said, view, on),
    ...(isDesk ? [photos, createFinish(view, on)] : []),
  );
  draw(parts.deck, ...createDeck(view, on));
  // Numbers that change aren’t read aloud.
  const isCounting = !said || recording || adding;
  draw(parts.status, ...(isCounting ? [] : [...nodesOf(said.title), said.word ?? ""]));
}

function drawPicture(parts, { hasCamera, options, recording }, picture, on) {
  const { access, camera } = picture;
  const answer = recording ? null : picture.shown;
  const isOpen = camera.state === "open";
  parts.square.dataset.tone = answer ? cornersOf(answer) : "";
  parts.picture.toggleAttribute("data-empty", !isOpen);
  parts.pill.hidden = !answer;
  draw(parts.pill, ...(answer ? phraseNodes(answer.headline, "und") : []));
  const reason = REASONS[access]?.replace(/Taking a photo/, "Choosing photos") ?? "";
  const canOpen = !reason || CAN_RETRY.has(access) || access === "idle";
  const canTake = !hasCamera && access !== "missing";
  const ways = [
    ...(canOpen ? [tool("Open the camera", "camera", on.onOpenCamera)] : []),
    ...(canTake ? [tool("Take a photo", "camera", on.onCapture)] : []),
  ];
  parts.hint.hidden = isOpen || access === "checking";
  draw(parts.hint, h("p", reason), ...ways);
  const { back } = options;
  const leave = { href: back ?? "", ariaLabel: "Back to Identify", hidden: !back };
  const flip = iconButton("Other camera", "flip", on.onFlip);
  flip.hidden = !isOpen || !camera.canFlip;
  draw(parts.topbar, h("a.vf-icon-button", leave, createIcon("back")), flip);
}

/** Where a label is confused, a phone shows that one only. */
const isFolded = (confused, { isDesk, isUnfolded, project: { labels } }) =>
  confused && !isDesk && !isUnfolded && labels.length > 1;

/** Return the row above the labels; on a phone, it has also what can be undone or unfolded. */
function createHead(confused, view, on) {
  const { device, isAsking, isDesk, project, recording, undo } = view;
  const { labels, title } = project;
  const { length } = labels;
  const text = `Show ${length === 2 ? "both" : `all ${length}`} labels`;
  const chip = { type: "button", onclick: on.onMenu, disabled: Boolean(recording) };
  const name = title ? bdi(title) : h("span", "New model");
  const number = h("small", length ? count(length, "label") : "");
  const start =
    undo?.text && !isDesk && !recording
      ? createUndo(undo.text, on)
      : isFolded(confused, view)
        ? createButton("vf-text-button", text, { onclick: on.onUnfold })
        : h("button.tv-chip", chip, name, createIcon("down"), number);
  const more = { icon: "more", onclick: () => on.onNewLabel() };
  const add = createButton("vf-text-button.tv-link", "New label", more);
  add.hidden = Boolean(recording || isAsking || device.reason);
  return h("div.tv-head", start, add);
}

function createLabels(confused, view, on) {
  const { labels } = view.project;
  const shown = isFolded(confused, view) ? [confused.label] : labels;
  return h(
    "ul.tv-labels",
    { ariaLabel: "Labels" },
    ...shown.map((one) => createRow(one, view, on)),
  );
}

/** A label is chosen by one button, and its photos are opened by the other. */
function createRow(label, view, on) {
  const { current, isDesk, isNaming, urls } = view;
  const photos = photosOf(view.project, label);
  const { length } = photos;
  const ruler = h("span.tv-ruler", { ariaHidden: "true" }, h("i"));
  ruler.style.setProperty("--value", `${Math.min(100, (length / RULER) * 100)}%`);
  const choose = h(
    "button.tv-choose",
    { type: "button", onclick: () => on.onLabel(label) },
    h("b", capitalized(label)),
    ruler,
    h("small", amountOf(view, label)),
  );
  choose.setAttribute("aria-current", String(label === current && !isNaming));
  const shown = photos.slice(isDesk ? -DESK_THUMBS : -THUMBS).reverse();
  const open = h(
    "button.tv-open",
    {
      type: "button",
      ariaLabel: `Photos of ${label}: ${length}`,
      onclick: () => on.onPhotos(label),
    },
    h("span.tv-stack", ...shown.map((photo) => h("img", { alt: "", src: urls.of(photo) }))),
    ...(length ? [] : [createIcon("pen")]),
    h("b.tv-count", String(length)),
    h("span.tv-dots", createIcon(isDesk ? "dots" : "next")),
  );
  return h("li.tv-label", flag("data-few", length < WORTH_A_TRY), choose, open);
}

function createForm({ hasCamera, isAsking, options, pending, project }, on) {
  const [number, { length }] = [pending.length, project.labels];
  const camera = "Name it, then hold the button and film it from all sides for a few seconds.";
  const files = "Name it, then choose photos of it: from all sides, in any light.";
  const ways = hasCamera ? camera : files;
  const line = number
    ? `Name what ${count(number, "photo")} show${number === 1 ? "s" : ""}.`
    : ways;
  const example = length ? "Next label" : "First label, for example sneakers";
  const typed = { type: "text", autocapitalize: "none", autocomplete: "off" };
  return h(
    "form.tv-form",
    { hidden: !isAsking, onsubmit: on.onName, onkeydown: on.onFieldKey },
    h("h2.tv-title", "What is this?"),
    h("p.vf-sub", line),
    h("input.tv-field", { ...typed, placeholder: example, ariaLabel: example }),
    h("p.vf-small", length < 2 ? `${TWO}${options.onTrain ? UNLESS : ""}.` : ""),
  );
}

function createWords(said, { isAsking }, on) {
  const room = { icon: "box", onclick: on.onSaveProject };
  const { isRoom, line, title, word } = said ?? {};
  return h(
    "section.tv-enough",
    { ariaLabel: "Is it enough?", hidden: isAsking, ...flag("data-edge", isRoom) },
    ...(said ? [createTitle(title, word), h("p.vf-sub", ...nodesOf(line))] : []),
    ...(isRoom ? [createButton("vf-text-button.tv-link", "Save the project", room)] : []),
  );
}

/** Return the headline; where room is short, its question is only the section's name. */
function createTitle(title, word) {
  const start = h(title[0] === ENOUGH ? "span.tv-ask" : "span", ...nodesOf(title));
  return h("h2.tv-title", start, ...(word ? [h(word === "Yes." ? "span" : "em", word)] : []));
}

function createConfusion({ called, label, next, photos }, { isDesk, project, urls }, on) {
  const shown = project.photos.filter(({ id }) => photos.includes(id));
  const open = { type: "button", onclick: () => on.onPhotos(label, photos) };
  const items = shown.slice(0, ODD).map((photo) => {
    const image = h("img", { alt: `Called ${called}`, src: urls.of(photo) });
    return h("li", h("button", open, image), bdi(called));
  });
  const more = shown.length - ODD;
  const all = { ...open, ariaLabel: `All ${shown.length} photos` };
  if (more > 0) items.push(h("li", h("button.tv-more", all, `+${more}`)));
  const right = tool("They’re ", undefined, () => on.onConfirm(photos));
  right.lastElementChild.append(bdi(label));
  const move = tool("Move", "move", () => on.onMove(photos, called));
  const remove = tool("Remove", "trash", () => on.onRemove(photos));
  const acts = h("div.tv-acts", move, remove, right);
  const advice = isDesk ? [h("p.vf-sub", ...nodesOf(next))] : [];
  return h("div.tv-confusion", h("ul.tv-odd", ...items), acts, ...advice);
}

function createFinish({ isDesk, project, taught }, on) {
  const buttons = [["check", "Use it", "onDone"], ...WAYS].map(([icon, text, handler]) => {
    const button = tool(text, icon, on[handler]);
    button.disabled = handler !== "onSaveProject" && !taught;
    return button;
  });
  return h("div.tv-finish", { hidden: !isDesk || !project.photos.length }, ...buttons);
}

function createDeck(view, on) {
  const { device, isDesk, project, recording, taught, undo } = view;
  const { bytes, labels, photos } = project;
  const isBusy = Boolean(recording);
  const left = createAct("gallery", "Photos", on.onPick);
  const last = isDesk
    ? createAct("back", "Undo", on.onUndo)
    : createAct("check", "Use it", on.onDone);
  const right = photos.length ? last : createAct("folder", "Open", on.onOpenFile);
  left.hidden = isBusy || Boolean(device.reason);
  right.hidden = isBusy || (photos.length > 0 && isDesk && !undo);
  right.disabled = photos.length > 0 && !isDesk && !taught;

  const stays = view.options.onTrain ? `${HERE} unless you send them` : HERE;
  const kept = `${stays}. ${count(photos.length, "photo")}, ${formatBytes(bytes)}.`;
  const here = isDesk && photos.length ? kept : stays;
  const text = device.isReady || device.reason ? here : fetchingOf(device);
  const where = h("button.vf-where", { type: "button", onclick: on.onMenu, disabled: isBusy });
  where.append(...(isBusy ? [h("span", CHANGES)] : [createIcon("phone"), h("span", text)]));
  const clear = createButton("vf-text-button.tv-clear", "Clear all", { onclick: on.onClear });
  clear.hidden = !isDesk || !labels.length || isBusy;
  return [left, createShutter(view, on), right, h("div.tv-foot", where, clear)];
}

function createAct(icon, text, onclick) {
  return h("button.vf-act", { type: "button", onclick }, createIcon(icon), h("span", text));
}
