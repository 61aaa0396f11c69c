/** Resize and crop with a canvas, as the model's training did. */

const canvas = new OffscreenCanvas(0, 0);
const context = canvas.getContext("2d", { willReadFrequently: true });

export function preprocess(bitmap, resize, crop) {
  const scale = resize / Math.min(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  if (canvas.width !== crop) canvas.width = canvas.height = crop;
  context.drawImage(bitmap, (crop - width) / 2, (crop - height) / 2, width, height);
  const { data } = context.getImageData(0, 0, crop, crop);
  const pixels = new Uint8Array(crop * crop * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return pixels;
}
