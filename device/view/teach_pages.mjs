/** The pages of "Teach" beside the camera: a label's photos by recording, and the finished model. */

import { formatBytes } from "./disclosure.mjs";
import { createButton, createIcon, h } from "./elements.mjs";
import { bdi, capitalized, nodesOf } from "./teach_parts.mjs";
import { count, FILE, howOf, percent } from "./teach_words.mjs";

const FILES = "Chosen files";
/** The axis of a figure begins at the half, or at zero. */
const AXES = [50, 0];

const act = (text, icon, onclick, classes = "vf-button.tv-slim") =>
  createButton(classes, text, { icon, onclick });
const iconButton = (text, icon, onclick) =>
  createButton("vf-icon-button", text, { icon, isIconOnly: true, onclick });

/** Return a label's photos: many are chosen at once, then moved or removed. */
export function createPhotosPage(view, on) {
  const { chosen, failures, outcome, project, shown: label, undo } = view;
  const photos = project.photos.filter((photo) => photo.label === label);
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const photo of photos) {
    const key = photo.recording.startsWith(FILE) ? FILES : photo.recording;
    groups.set(key, [...(groups.get(key) ?? []), photo]);
  }
  const numbers = [...groups.keys()].filter((key) => key !== FILES);
  const recordings = outcome?.groups.get(label) ?? groups.size;
  const about = `${count(photos.length, "photo")}, ${count(recordings, "recording")}`;
  const title = h("h2.tv-title", capitalized(label), " ", h("span.vf-sub", about));
  const bar = h("div.tv-bar", iconButton("Back", "back", on.onBack), title);
  bar.append(
    iconButton("Rename", "pen", () => on.onRenameLabel(label)),
    iconButton("Remove this label", "trash", () => on.onRemoveLabel(label)),
  );
  const list = h("div.tv-scroll");
  // The newest first, files last.
  for (const key of [...numbers.reverse(), ...(groups.has(FILES) ? [FILES] : [])]) {
    const at = numbers.length - numbers.indexOf(key);
    list.append(
      ...createGroup(key === FILES ? FILES : `Recording ${at}`, groups.get(key), view, on),
    );
  }
  for (const failure of failures.filter((one) => one.label === label)) {
    list.append(h("p.vf-small.tv-after", failure.text));
  }
  const number = chosen.size;
  const move = act("Move to…", "move", on.onMoveTo);
  const remove = act(number ? `Remove ${number}` : "Remove", "trash", () =>
    on.onRemove([...chosen]),
  );
  move.disabled = remove.disabled = !number;
  const tray = h("div.tv-tray", h("div.tv-two", move, remove));
  const add = act("Add photos", "gallery", on.onPick);
  if (undo) {
    const button = act("Undo: ", "back", on.onUndo);
    button.lastElementChild.append(...nodesOf(["", ...undo.text]));
    tray.append(button);
  } else tray.append(add);
  return [bar, list, tray];
}

function createGroup(name, photos, { chosen, failures, outcome, shown, urls }, { onToggle }) {
  const standsOut = (id) => outcome?.standingOut.get(id);
  const odd = photos.filter(({ id }) => standsOut(id));
  const number = photos.filter(({ id }) => chosen.has(id)).length;
  const left = name === FILES ? failures.filter(({ label }) => label === shown).length : 0;
  const note = number
    ? h("span.vf-small", `${number} selected`)
    : odd.length
      ? h("span.tv-doubt", `${odd.length} stand${odd.length === 1 ? "s" : ""} out`)
      : h("span.vf-small", left ? `${left} left out` : "");
  const items = photos.map((photo, at) => {
    const isOdd = Boolean(standsOut(photo.id));
    const alt = `Photo ${at + 1}${isOdd ? ", stands out" : ""}`;
    const onclick = () => onToggle(photo.id);
    const button = h("button", { type: "button", onclick }, h("img", { alt, src: urls.of(photo) }));
    button.dataset.photo = photo.id;
    button.ariaPressed = String(chosen.has(photo.id));
    button.append(createIcon("check"));
    const item = h("li", button);
    item.toggleAttribute("data-odd", isOdd);
    return item;
  });
  const called = new Set(odd.map(({ id }) => standsOut(id)));
  const words = [...called].flatMap((label, at) => [at ? ", " : "", bdi(label)]);
  const why = "when tested without its own recording. Is it in the right place?";
  const line = odd.length ? [h("p.vf-small.tv-after", "Called ", ...words, ` ${why}`)] : [];
  return [h("div.tv-group", h("h3", name), note), h("ul.tv-grid", ...items), ...line];
}

/** Return the finished model: what it knows, how often it is right, what it doesn't notice. */
export function createDonePage(view, on) {
  const { outcome, project, taught, urls } = view;
  const title = h("h2.vf-headline", project.title ? bdi(project.title) : "My model");
  const bar = h("div.tv-bar", iconButton("Back", "back", on.onBack), title);
  bar.append(iconButton("Rename", "pen", on.onRename));
  const { labels } = taught.manifest;
  const knows = labels.map((label) => {
    const photo = project.photos.find((one) => one.label === label);
    const image = photo ? [h("img", { alt: "", src: urls.of(photo) })] : [];
    return h("li", ...image, capitalized(label));
  });
  const share = taught.manifest.promise && Math.round(1 / (1 - taught.manifest.promise));
  const unknown = share
    ? `of up to 1 in ${share} things it knows`
    : "now and then of things it knows";
  const edge = h(
    "div.tv-edge",
    h("h3", "What it doesn’t notice"),
    h(
      "p",
      "Things that look like these often get one of these names. And ",
      unknown,
      ", it says “none of these”.",
    ),
  );
  const file = `${fileName(project)}.loupe, about ${formatBytes(sizeOf(taught))}. No photo in it`;
  const photos = `${count(project.photos.length, "photo")} with labels; opens elsewhere`;
  const rows = [
    ["save", "Save file", file, on.onSaveFile],
    ["box", "Save project", photos, on.onSaveProject],
    ["code", "Put it in my app", "One command, for the owner of an app", on.onPutInApp],
  ].map(([icon, name, line, onclick]) => {
    const text = h("span", h("b", name), h("small", line));
    return h(
      "li",
      h("button", { type: "button", onclick }, createIcon(icon), text, createIcon("next")),
    );
  });
  const list = h("div.tv-scroll", h("h3.vf-unseen", "What it knows"), h("ul.tv-knows", ...knows));
  list.append(h("h3", "How often it is right"), ...createFigures(outcome.figures));
  list.append(edge, h("ul.tv-rows", ...rows));
  const use = act("Use it", "camera", on.onUse, "vf-button.vf-main");
  const where = h("p.vf-where", createIcon("phone"), "Made on this device, and kept on it only");
  return [bar, list, h("div.tv-tray.tv-last", use, where)];
}

/** Return the share of right recordings on an axis, with its interval; or why there is none. */
function createFigures(figures) {
  if (!figures) return [h("p", "Can’t be known yet: each label was recorded once.")];
  const { counted, folds, interval, right } = figures;
  const [low, high] = interval.map((share) => Math.round(share * 100));
  const text = `Right for ${right} of ${count(counted, "recording")}, ${howOf(folds)}.`;
  const least = AXES.find((start) => start <= low);
  const value = (right / counted) * 100;
  const plot = h("div.tv-plot", { ariaHidden: "true" });
  const mark = (tag, values) => {
    const element = h(tag);
    for (const [name, at] of Object.entries(values)) {
      element.style.setProperty(`--${name}`, `${((at - least) / (100 - least)) * 100}%`);
    }
    return element;
  };
  const ticks = [least, (least + 100) / 2, 100].map((at) => mark("s", { at }));
  plot.append(...ticks, mark("i", { low, high }), mark("b", { at: value }));
  const middle = `${percent(right / counted)}; 95% CI ${low}–${high}%`;
  const ends = h("div.tv-ends", h("span", `${least}%`), h("span", middle), h("span", "100%"));
  return [h("p", text), plot, ends];
}

/** Return a name for files and commands: "my-shoes". */
export function fileName({ title }) {
  const plain = title
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");
  return plain.replace(/^-+|-+$/g, "").slice(0, 40) || "my-model";
}

/** Return about how large the file gets. */
const sizeOf = ({ manifest }) =>
  Math.ceil((manifest.head.bytes + JSON.stringify(manifest).length) / 10_000) * 10_000;
