/** The pages of "Teach" beside the camera: a label's photos by recording, and the finished model. */

import { FILE } from "../teach/store.mjs";
import { formatBytes } from "./disclosure.mjs";
import { createButton, createIcon, h } from "./elements.mjs";
import { bdi, capitalized, createUndo, flag, iconButton, tool } from "./teach_parts.mjs";
import { amountOf, count, fileName, percent, photosOf, testedOf } from "./teach_words.mjs";

const FILES = "Chosen files";
/** The axis of a figure begins at the half, or at zero. */
const AXES = [50, 0];

/** Ways to hand a model on: icon, name, handler. */
export const WAYS = [
  ["share", "Send to a friend", "onSend"],
  ["save", "Save file", "onSaveFile"],
  ["box", "Save project", "onSaveProject"],
  ["code", "Put it in my app", "onPutInApp"],
];

export const TRAIN = "Train on this computer";

/** Return a label's photos: many are chosen at once, then moved or removed. */
export function createPhotosPage(view, on) {
  const { chosen, failures, note, shown: label, undo } = view;
  const photos = photosOf(view.project, label);
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const photo of photos) {
    const key = photo.recording.startsWith(FILE) ? FILES : photo.recording;
    groups.set(key, [...(groups.get(key) ?? []), photo]);
  }
  const parts = new Set([count(photos.length, "photo"), amountOf(view, label)]);
  const about = h("span.vf-sub", [...parts].join(", "));
  const bar = h(
    "div.tv-bar",
    iconButton("Back", "back", on.onBack),
    h("h2.tv-title", capitalized(label), " ", about),
    iconButton("Rename", "pen", () => on.onRenameLabel(label)),
    iconButton("Remove this label", "trash", () => on.onRemoveLabel(label)),
  );
  const list = h("div.tv-scroll");
  const files = groups.get(FILES);
  groups.delete(FILES);
  const recorded = [...groups.values()].map((group, at) => [`Recording ${at + 1}`, group]);
  // The newest first, files last.
  for (const [name, group] of [...recorded.reverse(), ...(files ? [[FILES, files]] : [])]) {
    list.append(...createGroup(name, group, view, on));
  }
  const left = failures.filter((one) => one.label === label).map(({ text }) => text);
  for (const text of note && !left.includes(note) ? [...left, note] : left) {
    list.append(h("p.vf-small.tv-after", text));
  }
  const number = chosen.size;
  const move = tool("Move to…", "move", on.onMoveTo);
  const text = number ? `Remove ${number}` : "Remove";
  const remove = tool(text, "trash", () => on.onRemove([...chosen]));
  move.disabled = remove.disabled = !number;
  const last = undo ? createUndo(undo.text, on) : tool("Add photos", "gallery", on.onPick);
  return [bar, list, h("div.tv-tray", h("div.tv-two", move, remove), last)];
}

function createGroup(name, photos, { chosen, outcome, urls }, { onToggle }) {
  const standsOut = (id) => outcome?.standingOut.get(id);
  const odd = photos.filter(({ id }) => standsOut(id));
  const number = photos.filter(({ id }) => chosen.has(id)).length;
  const oddly = `${odd.length} stand${odd.length === 1 ? "s" : ""} out`;
  const note = odd.length && !number ? h("span.tv-doubt", oddly) : h("span.vf-small");
  if (number) note.textContent = `${number} selected`;
  const items = photos.map((photo, at) => {
    const isOdd = Boolean(standsOut(photo.id));
    const alt = `Photo ${at + 1}${isOdd ? ", stands out" : ""}`;
    const onclick = () => onToggle(photo.id);
    const pressed = { type: "button", ariaPressed: String(chosen.has(photo.id)), onclick };
    const image = h("img", { alt, src: urls.of(photo) });
    return h("li", flag("data-odd", isOdd), h("button", pressed, image, createIcon("check")));
  });
  const called = new Set(odd.map(({ id }) => standsOut(id)));
  const words = [...called].flatMap((label, at) => [at ? ", " : "", bdi(label)]);
  const why = " when tested without its own recording. Is it in the right place?";
  const line = odd.length ? [h("p.vf-small.tv-after", "Called ", ...words, why)] : [];
  return [h("div.tv-group", h("h3", name), note), h("ul.tv-grid", ...items), ...line];
}

/** Return the finished model: what it knows, how often it is right, what it doesn't notice. */
export function createDonePage(view, on) {
  const { note, outcome, project, taught, urls } = view;
  const title = h("h2.vf-headline", project.title ? bdi(project.title) : "My model");
  const rename = iconButton("Rename", "pen", on.onRename);
  const bar = h("div.tv-bar", iconButton("Back", "back", on.onBack), title, rename);
  const { labels, promise } = taught.manifest;
  const knows = labels.map((label) => {
    const [photo] = photosOf(project, label);
    const image = photo ? [h("img", { alt: "", src: urls.of(photo) })] : [];
    return h("li", ...image, capitalized(label));
  });
  const share = promise ? `up to 1 in ${Math.round(1 / (1 - promise))}` : "some";
  const alike = "Things that look like these often get one of these names.";
  const edge = h("div.tv-edge", h("h3", "What it doesn’t notice"));
  edge.append(h("p", `${alike} It may call ${share} things it knows “none of these”.`));
  const lines = [
    `${fileName(project)}.loupe, about ${formatBytes(sizeOf(taught))}. No photo in it`,
    "The same file, to keep",
    `${count(project.photos.length, "photo")} with labels; opens elsewhere`,
    "One command, for the owner of an app",
    "Sends the photos to your app, to train a larger model",
  ];
  const ways = view.options.onTrain ? [...WAYS, ["server", TRAIN, "onTrain"]] : WAYS;
  const rows = ways.map(([icon, name, handler], at) => {
    const text = h("span", h("b", name), h("small", lines[at]));
    const button = h("button", { type: "button", onclick: () => on[handler]() });
    button.append(createIcon(icon), text, createIcon("next"));
    return h("li", button);
  });
  const list = h("div.tv-scroll", h("h3.vf-unseen", "What it knows"), h("ul.tv-knows", ...knows));
  list.append(h("h3", "How often it is right"), ...createFigures(outcome, project));
  list.append(edge, h("ul.tv-rows", ...rows), h("p.vf-alert", { role: "alert" }, note));
  const use = createButton("vf-button.vf-main", "Use it", { icon: "camera", onclick: on.onUse });
  const where = h("p.vf-where", createIcon("phone"), "Made on this device, and kept on it only");
  return [bar, list, h("div.tv-tray.tv-last", use, where)];
}

/** Return the share that was right on an axis, with its interval; or why there is none. */
function createFigures(outcome, project) {
  const unknown = "Can’t be known yet: every label needs two recordings or photos.";
  if (!outcome.figures) return [h("p", unknown)];
  const { counted, interval, right } = outcome.figures;
  const [low, high] = interval.map((share) => Math.round(share * 100));
  const text = `Right for ${testedOf(project, outcome)}.`;
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

const sizeOf = ({ manifest }) =>
  Math.ceil((manifest.head.bytes + JSON.stringify(manifest).length) / 10_000) * 10_000;
