/** Squash the whole photo with TensorFlow.js, as the demos of LiteRT.js do. */

import * as tf from "/packages/@tensorflow/tfjs/dist/tf.fesm.min.js";

await tf.setBackend("cpu");

export function preprocess(bitmap, _, crop) {
  const squashed = tf.tidy(() =>
    tf.browser.fromPixels(bitmap, 3).resizeBilinear([crop, crop]).round(),
  );
  const pixels = Uint8Array.from(squashed.dataSync());
  squashed.dispose();
  return pixels;
}
