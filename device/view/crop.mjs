/** The part of a picture that the model sees, by its recipe, and its place on the screen. */

import { LoupeError } from "../engine/errors.mjs";
import { centreBox, fittedSize } from "../engine/geometry.mjs";

/** Quality of the JPEG into which a video frame is encoded; takePhoto's are about the same. */
const FRAME_QUALITY = 0.95;

/** Longest side of the copy that goes with a correction, in pixels, and its quality. */
const COPY_SIDE = 1000;
const COPY_QUALITY = 0.85;

const NO_COPY =
  "This browser can’t make a copy of this photo, so it can’t be saved. Save without it.";

/** Return the part of a photo that reaches the graph, in its pixels; padding is left out. */
export function seenBox(photo, recipe) {
  const [left, top, wide, high] = resizedBox(photo, recipe);
  const inner = cropOf(recipe);
  const [scaleX, scaleY] = [wide / inner.resizeWidth, high / inner.resizeHeight];
  const startX = Math.max(0, left + inner.left * scaleX);
  const startY = Math.max(0, top + inner.top * scaleY);
  const endX = Math.min(photo.width, left + (inner.left + inner.width) * scaleX);
  const endY = Math.min(photo.height, top + (inner.top + inner.height) * scaleY);
  return { left: startX, top: startY, width: endX - startX, height: endY - startY };
}

/** Return the aspect ratio, width by height, of what the model sees of a video frame. */
export function seenAspect(recipe) {
  const { width, height } = cropOf(recipe);
  return width / height;
}

/**
 * Place a video behind the corners: it covers the picture, and it reaches far enough beyond the
 * corners for the margin that the recipe crops away. Lengths on the screen are in CSS pixels, from
 * the picture's top left.
 *
 * @type {(frame: Size, picture: Size, corners: Size & {left: number, top: number}, recipe: Recipe,
 *   isMirrored?: boolean) => Size & {left: number, top: number, region: Region}} the video's box on
 *   the screen, and `region`, the part of the frame to cut, in its pixels: after the recipe's own
 *   crop exactly what the corners mark remains
 */
export function placeFrame(frame, picture, corners, recipe, isMirrored = false) {
  const cut = withMargin(corners, recipe, isMirrored);
  const left = Math.min(0, cut.left);
  const top = Math.min(0, cut.top);
  const right = Math.max(picture.width, cut.left + cut.width);
  const bottom = Math.max(picture.height, cut.top + cut.height);
  const scale = Math.max((right - left) / frame.width, (bottom - top) / frame.height);
  const [width, height] = [frame.width * scale, frame.height * scale];
  // As near to the middle of the corners as covering everything allows.
  const x = clamp(corners.left + corners.width / 2 - width / 2, right - width, left);
  const y = clamp(corners.top + corners.height / 2 - height / 2, bottom - height, top);
  const fromLeft = isMirrored ? x + width - (cut.left + cut.width) : cut.left - x;
  const start = [fromLeft, cut.top - y].map((at) => Math.max(0, Math.round(at / scale)));
  const region = {
    ...{ x: start[0], y: start[1] },
    width: Math.min(frame.width - start[0], Math.round(cut.width / scale)),
    height: Math.min(frame.height - start[1], Math.round(cut.height / scale)),
  };
  return { left: x, top: y, width, height, region };
}

/** Draw a part of a video's current frame; the drawing stays as it is while the video plays. */
export function cutFrame(video, { x, y, width, height }) {
  const canvas = createCanvas(width, height);
  canvas.getContext("2d").drawImage(video, x, y, width, height, 0, 0, width, height);
  return canvas;
}

function createCanvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** Return a canvas as a JPEG; it fails if memory is short. */
export function encodeFrame(canvas, quality = FRAME_QUALITY) {
  return new Promise((resolve, reject) => {
    const done = (blob) => (blob ? resolve(blob) : reject(new Error("The frame can’t be kept.")));
    canvas.toBlob(done, "image/jpeg", quality);
  });
}

/** Return a small copy of a photo, upright and without metadata. @throws {LoupeError} */
export async function encodeCopy(photo) {
  const image = Object.assign(new Image(), { src: URL.createObjectURL(photo) });
  try {
    await image.decode();
    const { naturalWidth, naturalHeight } = image;
    const scale = Math.min(1, COPY_SIDE / Math.max(naturalWidth, naturalHeight));
    const [width, height] = [naturalWidth, naturalHeight].map((side) => Math.ceil(side * scale));
    const canvas = createCanvas(width, height);
    const context = canvas.getContext("2d");
    // Transparent pixels become white, as on the server.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(image, 0, 0, width, height);
    return await encodeFrame(canvas, COPY_QUALITY);
  } catch {
    throw new LoupeError("unsupported-format", NO_COPY);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** Return left, top, width and height of what is resized; padding makes it exceed the photo. */
function resizedBox(photo, recipe) {
  if (recipe.method !== "pad") return centreBox(photo, recipe);
  const [wide, high] = fittedSize(photo, recipe, Math.max);
  const before = (padded, size) => Math.max(0, Math.floor((padded - size) / 2));
  return [
    -before(wide, photo.width),
    -before(high, photo.height),
    Math.max(wide, photo.width),
    Math.max(high, photo.height),
  ];
}

function cropOf({ resize, crop }) {
  const [resizeHeight, resizeWidth] = resize;
  const [height, width] = crop ?? resize;
  return {
    left: Math.floor((resizeWidth - width) / 2),
    top: Math.floor((resizeHeight - height) / 2),
    width,
    height,
    resizeWidth,
    resizeHeight,
  };
}

/** Return the box on the screen that the recipe's final crop reduces to the corners. */
function withMargin(corners, recipe, isMirrored) {
  const inner = cropOf(recipe);
  // Odd margins are smaller on the frame's left.
  const before = isMirrored ? inner.resizeWidth - inner.width - inner.left : inner.left;
  const [scaleX, scaleY] = [corners.width / inner.width, corners.height / inner.height];
  return {
    left: corners.left - before * scaleX,
    top: corners.top - inner.top * scaleY,
    width: inner.resizeWidth * scaleX,
    height: inner.resizeHeight * scaleY,
  };
}

function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}
