/** How photos are decoded, and the part of one that a recipe uses. */

/** Photos are decoded without colour management, as by Pillow. @type {ImageBitmapOptions} */
export const DECODING = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/**
 * Return left, top, width and height of the part of a photo that the recipe uses. Cutting it while
 * decoding saves reading the rest.
 *
 * @type {(image: Size, recipe: Recipe) => [number, number, number, number]}
 */
export function centreBox(image, recipe) {
  if ((recipe.method ?? "crop") !== "crop") return [0, 0, image.width, image.height];
  const [wide, high] = fittedSize(image, recipe, Math.min);
  return [Math.trunc((image.width - wide) / 2), Math.trunc((image.height - high) / 2), wide, high];
}

/**
 * Return width and height of the box in the aspect ratio of `recipe.resize` that `choose` picks.
 *
 * @type {(image: Size, recipe: Recipe, choose: (across: number, down: number) => number) =>
 *   number[]}
 */
export function fittedSize(image, recipe, choose) {
  const [height, width] = recipe.resize;
  const scale = choose(image.width / width, image.height / height);
  return [Math.max(1, Math.trunc(scale * width)), Math.max(1, Math.trunc(scale * height))];
}
