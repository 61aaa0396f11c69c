/** The model of the project in this browser: trained on its photos, and again when one is added. */

import { LoupeError } from "../engine/errors.mjs";
import { findNameFlaw } from "./loupe_file.mjs";
import { FILE } from "./store.mjs";

/** @type {TrainProject} */
export async function train(base, store, { title, labels, photos }) {
  const { sha256 } = base.info.features;
  for (const photo of photos.filter((one) => one.base !== sha256)) {
    const features = await base.features(photo.photo);
    await store.setFeatures(photo.id, sha256, features);
    Object.assign(photo, { base: sha256, features });
  }
  const named = new Set(photos.map(({ label }) => label));
  return base.teach({ title, labels: labels.filter((label) => named.has(label)), photos });
}

/** @type {(base: TeachableModel, store: ProjectStore, signal?: AbortSignal) => Promise<string>} */
async function replaceModel(base, store, signal) {
  const { taught } = await train(base, store, await store.read());
  const [attached, complete] = [await base.attach(taught), await base.addGolden(taught)];
  attached.close();
  signal?.throwIfAborted();
  await store.setModel(attached.info.name, complete, true);
  return attached.info.name;
}

/** @type {AddPhoto} */
export async function addPhoto(base, store, { id, photo, label, signal }) {
  const [{ labels, photos }, { model = "" }] = [await store.read(), await store.names()];
  const former = (await store.models()).get(model) ?? null;
  const isNew = !labels.includes(label);
  const flaw = isNew && findNameFlaw(label, labels);
  if (flaw) throw new LoupeError("invalid", `This name can’t be used: ${flaw}.`);
  const values = { label, recording: `${FILE}${id}`, base: base.info.features.sha256 };
  const present = photos.find(({ recording }) => recording === values.recording);
  const added = present?.id ?? store.addPhoto({ ...values, ...(await base.takePhoto(photo)) });
  const ids = [await added];
  if (present) await store.edit({ ids, label });
  const reverse = async (/** @type {ProjectStore} */ now) => {
    const { labels: all, photos: kept } = await now.read();
    const names = all.filter((one) => !isNew || one !== label);
    // Another tab may have moved it since.
    const own = kept.filter((one) => one.id === ids[0] && one.label === label);
    await now.edit({ labels: names, ids: own.map((one) => one.id), label: present?.label ?? null });
  };
  const name = await replaceModel(base, store, signal).catch(async (error) => {
    await reverse(store);
    throw error;
  });
  const count = photos.filter((one) => one !== present && one.label === label).length + 1;
  return {
    text: `Added to ${label}: ${count} photo${count === 1 ? "" : "s"}`,
    undo: async (later, now) => {
      await reverse(now);
      // Another tab may have trained it since.
      if ((await now.names()).model !== name) await replaceModel(later, now);
      else await now.setModel(model, former, true);
    },
  };
}
