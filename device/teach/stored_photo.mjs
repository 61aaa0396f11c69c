/** Photos as a project keeps them: the part that the model sees, as a small JPEG. */

/** @import { Image, Recipe } from "../types" */

import { resize } from "../engine/resize.mjs";

/** Pixels on the shorter side, unless the recipe needs more. */
const SIDE = 320;
const QUALITY = 0.9;

/**
 * Return a small JPEG of a decoded photo.
 *
 * @param {Image} image
 * @param {Recipe} recipe
 */
export async function storedPhoto(image, recipe) {
  const shorter = Math.min(image.width, image.height);
  const factor = Math.min(1, Math.max(SIDE, ...recipe.resize) / shorter);
  const [width, height] = [image.width, image.height].map((side) => Math.round(side * factor));
  const { data } = resize(image, width, height, "bicubic");
  // Resizing leaves the alpha empty.
  for (let place = 3; place < data.length; place += 4) data[place] = 255;
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(data, width), 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
