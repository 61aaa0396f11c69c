/** What the controls of "Teach" do. */

import { findNameFlaw, MAX_LABELS, toText, writeLoupe } from "../teach/loupe_file.mjs";
import { writeProject } from "../teach/project.mjs";
import { formatBytes } from "./disclosure.mjs";
import { askName, download, openMenu, openSend, showCommand } from "./teach_parts.mjs";
import { withoutLabels } from "./teach_files.mjs";
import { TRAIN } from "./teach_pages.mjs";
import { canFilm } from "./teach_screen.mjs";
import { count, fileName, mayVanish, photosOf, usedOf } from "./teach_words.mjs";

const UNTITLED = "My model";
const SENDING = "Sending the photos to your app…";
const SEVERAL = "Nothing was opened. Open one project or model at a time.";
const TOO_MANY = `${MAX_LABELS} labels are the most. Remove one to add another.`;

/** @param {any} page the `Teach` of `teach.mjs` */
export function createHandlers(page) {
  const { change, parent, state } = page;
  const name = () => fileName(state.project);
  const canAdd = () => state.current && !state.isNaming;
  const idsOf = (label) => photosOf(state.project, label).map(({ id }) => id);
  const edit = (values, text) => {
    state.chosen.clear();
    return page.project.edit(values, text);
  };
  /** End what would bring back photos or names that are to be changed. */
  const settle = () => {
    change({ note: "" });
    page.recorder.stop();
    return page.project.endAdding();
  };
  /** Return why a new label can't have a name, or "". */
  const flawOf = (text) => phraseFlaw(text, state.project.labels);
  const saving = () =>
    state.project.photos.length ? [["Save project", "box", on.onSaveProject]] : [];
  const use = (model) => model && page.options.onUse(model);
  const finish = (work) => () => page.project.try(async () => work(await page.project.finish()));

  const on = {
    onTouch: () => page.picture.resetIdle(),
    onOpenCamera: () => {
      // Closed unused, it has stopped answering.
      page.picture.setLive(true);
      page.picture.open();
    },
    onFlip: () => page.picture.camera.flip(),
    /** Begin a recording, or do what it needs first. */
    onRecord: (isToggled = false) => {
      if (!canAdd()) page.parts.field.focus();
      else if (!canFilm(page.picture)) return;
      else if (page.picture.camera.state !== "open") on.onOpenCamera();
      else page.recorder.start(isToggled);
    },
    /** A tap takes one photo. */
    onSquare: ({ target }) => {
      if (target.closest("button") || state.recording) return;
      on.onRecord();
      page.recorder.stop();
    },
    // By click: a chooser opens only then.
    onShutter: () => !canFilm(page.picture) && canAdd() && on.onPick(),
    onPick: () => page.parts.pick.click(),
    onCapture: () => page.parts.capture.click(),
    onOpenFile: () => page.parts.open.click(),

    onNewLabel: (pending = []) => {
      if (state.project.labels.length >= MAX_LABELS) return change({ note: TOO_MANY });
      change({ isNaming: true, note: "", screen: "teach", pending });
      return page.parts.field.focus();
    },
    onFieldKey: ({ key }) => {
      if (key !== "Escape") return;
      const { length } = state.pending;
      const note = length ? `${count(length, "photo")} not added.` : "";
      change({ isNaming: false, pending: [], note });
    },
    onName: async (event) => {
      event.preventDefault();
      const { field, shutter } = page.parts;
      const label = field.value.trim();
      const note = flawOf(label);
      if (note) return change({ note });
      if (!(await page.project.opening.catch(() => null))) return undefined;
      const { pending, project } = state;
      field.value = "";
      change({ isNaming: false, note: "", pending: [] });
      await edit({ labels: [...project.labels, label] });
      change({ current: label });
      shutter.focus({ preventScroll: true });
      return on.onFiles(pending);
    },
    /** Choose a label; files that waited for one get it. */
    onLabel: (label) => {
      const { pending } = state;
      change({ current: label, isNaming: false, pending: [] });
      return on.onFiles(pending);
    },
    onRenameLabel: (label) =>
      askName(parent, "Name of this label", label, flawOf, async (text) => {
        await settle();
        // At once, so that the page of its photos stays open.
        Object.assign(state, { shown: text, current: text, outcome: null, taught: null });
        const labels = state.project.labels.map((one) => (one === label ? text : one));
        const ids = idsOf(label);
        edit({ labels, ids, ...(ids.length ? { label: text } : {}) });
      }),
    onRemoveLabel: async (label) => {
      await settle();
      const labels = state.project.labels.filter((one) => one !== label);
      edit({ labels, label: null, ids: idsOf(label) }, ["removed ", { label }]);
      change({ screen: "teach" });
    },

    onChosen: (files) => on.onFiles(withoutLabels(files)),
    /** Take photos by file; those without a label get the present one. */
    onFiles: async (found) => {
      if (!found.length) return;
      if (!canAdd() && found.some(({ label }) => !label)) return on.onNewLabel(found);
      const { current, screen } = state;
      change({ screen: screen === "done" ? "teach" : screen });
      const named = found.map((one) => ({ ...one, label: (one.label ?? current).trim() }));
      await page.project.addFiles(named);
    },
    onFile: async (file) => {
      const open = () => page.project.openFile(file);
      const opened = file && (await page.project.try(open, "This file couldn’t be opened."));
      if (!opened?.confusing.length) return use(opened?.model);
      const line = `Labels that look alike or have invisible characters: ${opened.confusing}.`;
      openMenu(parent, "Use this model?", line, [["Use it", "check", () => use(opened.model)]]);
    },
    onSeveral: () => change({ note: SEVERAL }),
    onPhotos: (label, ids = []) => {
      const changes = { screen: "photos", shown: label, current: label, isNaming: false };
      change({ ...changes, chosen: new Set(ids) });
    },
    onBack: () => change({ screen: "teach", chosen: new Set() }),
    onToggle: (id) => {
      if (!state.chosen.delete(id)) state.chosen.add(id);
      change({});
    },
    onUnfold: () => change({ isUnfolded: true }),
    onConfirm: (ids) => change({ confirmed: new Set([...state.confirmed, ...ids]) }),
    onMove: (ids, label) =>
      edit({ ids, label }, [`moved ${count(ids.length, "photo")} to `, { label }]),
    onMoveTo: () => {
      const ids = [...state.chosen];
      const labels = state.project.labels.filter((label) => label !== state.shown);
      const move = async (label) => {
        await on.onMove(ids, label);
        // The button that has opened the dialog takes none any more.
        page.parts.page.querySelector("button")?.focus();
      };
      const items = labels.map((label) => [label, undefined, () => move(label)]);
      openMenu(parent, `Move ${count(ids.length, "photo")} to`, "", items);
    },
    onRemove: (ids) => edit({ ids, label: null }, [`removed ${count(ids.length, "photo")}`]),
    onUndo: () => page.project.undo(),

    /** Names, files, where the photos are, and how to remove them. */
    onMenu: () => {
      const { isPersisted, project } = state;
      const where = `The photos are in this browser, on this device: ${usedOf(project)}.`;
      const canTrain = Boolean(page.options.onTrain);
      const stays = `No photo leaves it${canTrain ? " unless you send them" : ""}.`;
      const line = `${where} ${stays} ${mayVanish(isPersisted)}`.trim();
      openMenu(parent, project.title || UNTITLED, line, [
        ["Rename", "pen", on.onRename],
        ...saving(),
        ["Open a file", "folder", on.onOpenFile],
        ...(canTrain && project.photos.length ? [[TRAIN, "server", () => on.onTrain()]] : []),
        ...(project.labels.length ? [["Clear all", "trash", on.onClear]] : []),
      ]);
    },
    onRename: () => {
      const title = state.project.title || UNTITLED;
      askName(parent, "Name of your model", title, phraseFlaw, (text) => edit({ title: text }));
    },
    onClear: () => {
      const { labels, photos } = state.project;
      const all = `${count(photos.length, "photo")} and ${count(labels.length, "label")}`;
      const line = `${all} will be deleted. This can’t be undone.`;
      const clear = () => settle().then(() => page.project.clear());
      openMenu(parent, "Clear all?", line, [...saving(), ["Clear all", "trash", clear]]);
    },
    onDone: () => change({ screen: "done" }),
    onUse: finish(async (taught) => use(await page.project.use(taught, true))),
    onSend: finish(async (taught) => {
      const file = `${name()}.loupe`;
      const blob = writeLoupe(taught);
      const files = [
        new File([blob], file, { type: "application/octet-stream" }),
        new File([await toText(blob)], `${file}.txt`, { type: "text/plain" }),
      ];
      const labels = count(taught.manifest.labels.length, "label");
      const line = `${labels}, ${formatBytes(blob.size)}. No photo is in it.`;
      openSend(parent, `Send “${state.project.title || UNTITLED}”`, line, files);
    }),
    onSaveFile: finish((taught) => download(writeLoupe(taught), `${name()}.loupe`)),
    onSaveProject: () => {
      const save = async () => download(await writeProject(state.project), `${name()}-project.zip`);
      return page.project.try(save);
    },
    /** Send the photos to the owner's app; if it has photos with that name, ask first. */
    onTrain: (mode = "new") =>
      page.project.try(async () => {
        if (state.note === SENDING) return;
        change({ note: SENDING });
        const isSent = await page.options.onTrain(await writeProject(state.project), name(), mode);
        change({ note: "" });
        if (isSent) return;
        openMenu(parent, `There are already photos named ${name()}`, "", [
          ["Add to them", "more", () => on.onTrain("add")],
          ["Replace them", "swap", () => on.onTrain("replace")],
        ]);
      }),
    onPutInApp: () => {
      const line = "Save the file first. Then, where the app is installed, run:";
      const command = `python -m model import ${name()}.loupe --name ${name()}`;
      showCommand(parent, "Put it in my app", line, command);
    },
  };
  return on;
}

/** Return why a text can't be a name, or a label beside others; "" if it can. */
function phraseFlaw(text, others = []) {
  const flaw = findNameFlaw(text, others);
  return flaw && `This name can’t be used: ${flaw}.`;
}
