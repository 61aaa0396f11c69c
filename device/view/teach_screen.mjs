/** The screen of "Teach" by its state. Drawing again changes only what differs. */

import { cornersOf } from "./answer_view.mjs";
import { CAN_RETRY, REASONS } from "./camera_access.mjs";
import { fetchingOf, formatBytes } from "./disclosure.mjs";
import { createButton, createIcon, h } from "./elements.mjs";
import { phraseNodes } from "./phrasing.mjs";
import { bdi, capitalized, createUndo, nodesOf, redraw, tool } from "./teach_parts.mjs";
import { WAYS } from "./teach_pages.mjs";
import { confusionOf, count, sayOf, WORTH_A_TRY } from "./teach_words.mjs";

/** Photos of a recording that fill the ring, and of a label that fill the ruler. */
const [RING, RULER] = [50, 20];
/** Photos of a row, on a phone and on a desk; and of a confusion. */
const [THUMBS, DESK_THUMBS, ODD] = [3, 6, 4];
const HERE = "On this device: the photos stay here";

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
  const view = { ...state, hasCamera: canFilm(picture) };
  drawPicture(parts, view, picture, on);
  drawLabels(parts, view, on);
  drawWords(parts, view, on);
  drawDeck(parts, view, on);
}

function drawPicture(parts, view, picture, on) {
  const { hasCamera, options, project, recording } = view;
  const { access, camera } = picture;
  const answer = recording ? null : picture.shown;
  parts.square.dataset.tone = answer ? cornersOf(answer) : "";
  parts.pill.hidden = !answer;
  redraw(parts.pill, answer?.headline, () => (answer ? phraseNodes(answer.headline, "und") : []));
  const isOpen = camera.state === "open";
  parts.picture.toggleAttribute("data-empty", !isOpen);
  parts.hint.hidden = isOpen || access === "checking";
  redraw(parts.hint, [access, hasCamera], () => {
    const reason = REASONS[access]?.replace(/Taking a photo/, "Choosing photos") ?? "";
    const canOpen = !reason || CAN_RETRY.has(access) || access === "idle";
    return [
      h("p", reason),
      ...(canOpen ? [tool("Open the camera", "camera", on.onOpenCamera)] : []),
      ...(hasCamera || access === "missing"
        ? []
        : [tool("Take a photo", "camera", () => parts.capture.click())]),
    ];
  });
  parts.flip.hidden = !isOpen || !camera.canFlip;
  parts.back.hidden = !options.back;
  parts.back.href = options.back ?? "";
  const { title } = project;
  redraw(parts.chip, title, () => [title ? bdi(title) : "New model", createIcon("down")]);
}

function drawLabels({ labels: list }, view, on) {
  const { isDesk, isUnfolded, project } = view;
  const { labels } = project;
  const confused = confusionOf(view);
  const isFolded = confused && !isDesk && !isUnfolded && labels.length > 1;
  const shown = isFolded ? [confused.label] : labels;
  redraw(list, [shown, isFolded], () => {
    const rows = shown.map((label) => {
      const choose = { type: "button", onclick: () => on.onLabel(label) };
      const open = { type: "button", onclick: () => on.onPhotos(label) };
      return h("li.tv-label", h("button.tv-choose", choose), h("button.tv-open", open));
    });
    const text = `Show all ${labels.length} labels`;
    const unfold = createButton("vf-text-button", text, { onclick: on.onUnfold });
    return isFolded ? [...rows, h("li.tv-unfold", unfold)] : rows;
  });
  for (const [at, label] of shown.entries()) drawRow(list.children[at], label, view);
}

/** A label is chosen by one button, and its photos are opened by the other. */
function drawRow(row, label, { current, isDesk, isNaming, outcome, project, recording, urls }) {
  const photos = project.photos.filter((photo) => photo.label === label);
  const { length } = photos;
  const [choose, open] = row.children;
  const isCurrent = label === current && !isNaming;
  row.toggleAttribute("data-dim", Boolean(recording) && recording.label !== label);
  row.toggleAttribute("data-few", length < WORTH_A_TRY);
  choose.setAttribute("aria-current", String(isCurrent));
  const recordings =
    outcome?.groups.get(label) ?? new Set(photos.map((photo) => photo.recording)).size;
  redraw(choose, [recordings, length], () => {
    const ruler = h("span.tv-ruler", { ariaHidden: "true" }, h("i"));
    ruler.style.setProperty("--value", `${Math.min(100, (length / RULER) * 100)}%`);
    return [h("b", capitalized(label)), ruler, h("small", count(recordings, "recording"))];
  });
  open.setAttribute("aria-label", `Photos of ${label}: ${length}`);
  const shown = photos.slice(isDesk ? -DESK_THUMBS : -THUMBS).reverse();
  redraw(open, [length, shown.map(({ id }) => id)], () => [
    h("span.tv-stack", ...shown.map((photo) => h("img", { alt: "", src: urls.of(photo) }))),
    h("b.tv-count", String(length)),
    h("span.tv-dots", createIcon("dots")),
  ]);
}

function drawWords(parts, view, on) {
  const { adding, device, hasCamera, isDesk, isNaming, note, pending, recording, undo } = view;
  const { labels } = view.project;
  const isAsking = !recording && !adding && !device.reason && (isNaming || !labels.length);
  parts.form.hidden = !isAsking;
  parts.tools.hidden = !isDesk || isAsking;
  parts.askLine.textContent = pending.length
    ? `Name what ${count(pending.length, "photo")} show${pending.length === 1 ? "s" : ""}.`
    : hasCamera
      ? "Name it, then hold the button and film it from all sides for a few seconds."
      : "Name it, then choose photos of it: from all sides, in any light.";
  const example = labels.length ? "Next label" : "First label, for example sneakers";
  parts.field.placeholder = parts.field.ariaLabel = example;
  const two = "Two labels make a model. It is trained on this device, and no photo leaves it.";
  parts.askNote.textContent = labels.length < 2 ? two : "";

  const said = isAsking ? null : sayOf(view);
  const confusion = isAsking ? null : confusionOf(view);
  const undone = isDesk ? null : undo?.text;
  parts.enough.hidden = isAsking;
  parts.enough.toggleAttribute("data-edge", Boolean(said?.isRoom));
  redraw(parts.enough, [said, confusion, undone], () => [
    ...(said ? createSaid(said, on) : []),
    ...(confusion ? [createConfusion(confusion, view, on)] : []),
    ...(undone ? [createUndo(undone, on)] : []),
  ]);
  // Numbers that change aren’t read aloud.
  const text = parts.enough.querySelector("h2")?.textContent ?? "";
  parts.status.textContent = recording || adding ? "" : text;
  parts.note.hidden = !note;
  if (parts.note.textContent !== note) parts.note.textContent = note;
}

function createSaid({ title, word, line, isRoom }, { onSaveProject }) {
  const tag = word === "Yes." ? "span" : "em";
  const heading = h("h2.tv-title", ...nodesOf(title), ...(word ? [h(tag, word)] : []));
  const room = createButton("vf-text-button.tv-link", "Save the project", {
    icon: "box",
    onclick: onSaveProject,
  });
  return [heading, h("p.vf-sub", ...nodesOf(line)), ...(isRoom ? [room] : [])];
}

function createConfusion({ called, label, next, photos }, { project, urls }, on) {
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
  return h("div.tv-confusion", h("ul.tv-odd", ...items), acts, h("p.vf-sub", ...nodesOf(next)));
}

function drawDeck(parts, view, on) {
  const { current, device, hasCamera, isDesk, isNaming, project, recording, undo } = view;
  const { labels, photos } = project;
  const isBusy = Boolean(recording);
  const isEmpty = !photos.some(({ label }) => label === current) || isNaming;
  const isTaught = Boolean(view.taught);
  const photosAct = ["gallery", "Photos", on.onPick];
  drawAct(parts.left, isDesk || isEmpty ? photosAct : ["more", "New label", on.onNewLabel]);
  const useAct = ["check", "Use it", on.onDone];
  const undoAct = ["back", "Undo", on.onUndo];
  const rightAct = isDesk ? undoAct : useAct;
  drawAct(parts.right, photos.length ? rightAct : ["folder", "Open", on.onOpenFile]);
  parts.left.hidden = isBusy;
  parts.right.hidden = isBusy || (photos.length > 0 && isDesk && !undo);
  parts.right.disabled = photos.length > 0 && !isDesk && !isTaught;

  const { shutter } = parts;
  const isUsable = current && !isNaming && device.isReady;
  shutter.toggleAttribute("data-none", !isUsable);
  shutter.toggleAttribute("data-down", isBusy);
  shutter.setAttribute("aria-disabled", String(!isUsable));
  shutter.style.setProperty("--share", `${Math.min(100, ((recording?.count ?? 0) / RING) * 100)}%`);
  const icon = recording ? "stop" : hasCamera ? null : "gallery";
  redraw(shutter, icon, () => [icon ? createIcon(icon) : h("span", "Hold")]);
  const end = recording?.isToggled ? "Press to stop" : "Let go to stop";
  shutter.ariaLabel = recording
    ? `Recording ${recording.label}. ${end}.`
    : !current || isNaming
      ? "Hold to record: name a label first"
      : hasCamera
        ? `Hold to record ${current}. Press once to start, again to stop.`
        : `Choose photos of ${current}`;

  parts.finish.hidden = !isDesk || !photos.length;
  redraw(parts.finish, isTaught, () =>
    [["check", "Use it", "onDone"], ...WAYS].map(([name, text, handler]) => {
      const button = tool(text, name, on[handler]);
      button.disabled = handler !== "onSaveProject" && !isTaught;
      return button;
    }),
  );
  const sizes = `${HERE}. ${count(photos.length, "photo")}, ${formatBytes(project.bytes)}.`;
  const here = isDesk && photos.length ? sizes : HERE;
  const text = device.isReady || device.reason ? here : fetchingOf(device);
  parts.where.disabled = isBusy;
  redraw(parts.where, recording ? end : text, () =>
    recording ? [end] : [createIcon("phone"), h("span", text)],
  );
  parts.clear.hidden = !isDesk || !labels.length || isBusy;
}

/** @type {(button: any, act: any[]) => void} */
function drawAct(button, [icon, text, onclick]) {
  button.onclick = () => onclick();
  redraw(button, text, () => [createIcon(icon), h("span", text)]);
}
