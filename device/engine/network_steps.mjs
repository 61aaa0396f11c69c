/**
 * What a packed network consists of: steps, each checked and bound to the call of one kernel, and
 * ONNX operators on vectors, in double precision, which follow a network's features.
 */

import { LoupeError } from "./errors.mjs";

/** Largest side of a map, and number of channels. */
const MAX_SIZE = 2 ** 20;

/** @type {(condition: unknown) => void} @throws {LoupeError} "bundle-damaged" */
export function check(condition) {
  if (!condition) throw new LoupeError("bundle-damaged", "The packed network is damaged.");
}

/** Return the number of values, after checking the shape. @type {(shape: number[]) => number} */
export function sizeOf(shape) {
  for (const side of shape) check(Number.isInteger(side) && side > 0 && side <= MAX_SIZE);
  return shape.reduce((product, side) => product * side, 1);
}

/** Return the channels that a map has in the arena. @param {number} channels */
export const stored = (channels) => Math.ceil(channels / 4) * 4;

/** Bytes of a convolution's copied windows, unless one row of the output takes more. */
const WINDOWS_BYTES = 2 ** 20;

const ACTIVATIONS = ["clip", "sigmoid", "silu", "hard-sigmoid", "hard-swish"];

/** @type {Record<PackedStep["op"], (step: PackedStep, network: PackedNetwork) => Step>} */
const STEPS = { "look-up": lookUp, convolve, depthwise, pool, add, activate, scale };

/** Check a step; return what runs it. @type {(step: PackedStep, network: PackedNetwork) => Step} */
export function bindStep(step, network) {
  check(Object.hasOwn(STEPS, step.op));
  return STEPS[step.op](step, network);
}

/** @type {typeof bindStep} */
function lookUp({ outShape, out, table }, network) {
  const [height, width] = network.size;
  check(`${outShape}` === `${[height, width, 3]}`);
  const [bytes, to] = [network.copy(table, 4 * 256 * 3), network.map(out, outShape, 3)];
  return () => network.kernels.run.look_up(network.places.pixels, height * width, bytes, to);
}

/**
 * Return the place of weights as panels of `width` output channels, each with `depth` weights.
 *
 * @type {(step: PackedStep, network: PackedNetwork, channels: number, depth: number, width: number)
 *   => number}
 */
function writePanels({ weights, scales, bias }, network, channels, depth, width) {
  const { kernels } = network;
  const size = Math.ceil(channels / width) * width * (depth + 1);
  const panels = kernels.allocate(4 * size);
  const isInteger = scales !== undefined;
  const from = network.copy(weights, channels * depth * (isInteger ? 1 : 4));
  const factors = isInteger ? network.copy(scales, 4 * channels) : 0;
  const biases = bias === undefined ? 0 : network.copy(bias, 4 * channels);
  kernels.run.pack_panels(from, factors, biases, channels, depth, width, panels);
  kernels.free(from);
  return panels;
}

/** The arguments of a window that all kernels have in common. @param {PackedStep} step */
function windowOf({ window, stride, top, left }) {
  const [rows, columns] = [window, window].flat().slice(-2);
  sizeOf([rows, columns, stride, top + 1, left + 1]);
  check(top < rows && left < columns);
  return { rows, columns, stride, top, left };
}

/** @type {typeof bindStep} */
function convolve(step, network) {
  const { inShape, outShape, low = -Infinity, high = Infinity } = step;
  const { run } = network.kernels;
  const [height, width, given] = inShape;
  const [outHeight, outWidth, outputs] = [outShape[0], outShape[1], stored(outShape[2])];
  const { columns: size, stride, top, left } = windowOf(step);
  // The photo alone has three channels.
  const channels = step.isPhoto ? 3 : stored(given);
  const depth = size * size * channels;
  const from = network.map(step.in, inShape, channels);
  const to = network.map(step.out, outShape);
  const residual = step.residual === undefined ? 0 : network.map(step.residual, outShape);
  const panels = writePanels(step, network, outputs, depth, 8);
  if (size === 1 && stride === 1) {
    check(outHeight === height && outWidth === width);
    const places = height * width;
    return () => run.gemm(from, places, depth, panels, outputs, residual, low, high, to);
  }
  const rowBytes = 4 * outWidth * depth;
  const strip = Math.max(1, Math.min(outHeight, Math.floor(WINDOWS_BYTES / rowBytes)));
  network.reserve(strip * rowBytes);
  return () =>
    run.convolve(
      ...[from, height, width, channels, size, stride, top, left, panels, outHeight, outWidth],
      ...[outputs, residual, low, high, strip, network.places.scratch, to],
    );
}

/** @type {typeof bindStep} */
function depthwise(step, network) {
  const { inShape, outShape, low = -Infinity, high = Infinity } = step;
  const [height, width, channels] = [inShape[0], inShape[1], stored(inShape[2])];
  const [outHeight, outWidth, outputs] = outShape;
  const { columns: size, stride, top, left } = windowOf(step);
  check([3, 5].includes(size) && [1, 2].includes(stride) && outputs === inShape[2]);
  const [from, to] = [network.map(step.in, inShape), network.map(step.out, outShape)];
  const panels = writePanels(step, network, channels, size * size, 4);
  // As plane_width in depthwise.c.
  const plane = 4 * (outWidth * stride + size + 4 * stride);
  network.reserve(4 * plane * ((outHeight - 1) * stride + size));
  return () =>
    network.kernels.run.depthwise(
      ...[from, height, width, channels, size, stride, top, left, panels, outHeight, outWidth],
      ...[low, high, network.places.scratch, to],
    );
}

/** @type {typeof bindStep} */
function pool(step, network) {
  const { inShape, outShape } = step;
  const [height, width, channels] = [inShape[0], inShape[1], stored(inShape[2])];
  const [outHeight, outWidth, outputs] = outShape;
  const { rows, columns, stride, top, left } = windowOf(step);
  // Every window has a place in the map.
  check((outHeight - 1) * stride - top < height && (outWidth - 1) * stride - left < width);
  check(outputs === inShape[2]);
  const [from, to] = [network.map(step.in, inShape), network.map(step.out, outShape)];
  return () =>
    network.kernels.run.pool(
      ...[from, height, width, channels, rows, columns, stride, top, left, outHeight, outWidth],
      ...[Number(step.mean), to],
    );
}

/**
 * Return where a step reads and writes maps of one shape, and how many values.
 *
 * @param {PackedStep} step
 * @param {PackedNetwork} network
 */
function elementwise({ in: input, out, inShape, outShape }, network) {
  check(`${inShape}` === `${outShape}`);
  const [height, width, channels] = [inShape[0], inShape[1], stored(inShape[2])];
  const [from, to] = [network.map(input, inShape), network.map(out, outShape)];
  return { from, to, places: height * width, channels, count: height * width * channels };
}

/** @type {typeof bindStep} */
function add(step, network) {
  const { from, to, count } = elementwise(step, network);
  const { other, inShape, low = -Infinity, high = Infinity } = step;
  const second = network.map(other, inShape);
  return () => network.kernels.run.add(from, second, count, low, high, to);
}

/** @type {typeof bindStep} */
function activate(step, network) {
  const { from, to, count } = elementwise(step, network);
  const { low = -Infinity, high = Infinity } = step;
  const kind = ACTIVATIONS.indexOf(step.kind);
  check(kind >= 0);
  return () => network.kernels.run.activate(from, count, kind, low, high, to);
}

/** @type {typeof bindStep} */
function scale(step, network) {
  const { from, to, places, channels } = elementwise(step, network);
  const factors = network.map(step.factors, [1, 1, channels]);
  return () => network.kernels.run.scale(from, places, channels, factors, to);
}

/** @typedef {(inputs: any[], outputs: number) => Float64Array | Float64Array[]} Operator */

/** @param {Float64Array} values */
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/** @type {(values: Float64Array, compute: (value: number) => number) => Float64Array} */
const map = (values, compute) => values.map(compute);

/** @param {Float64Array} values */
const sumOfSquares = (values) => sumOf(map(values, (value) => value * value));

/**
 * Compute each value alone; a vector of length one stands for as many as the other has.
 *
 * @type {(compute: (a: number, b: number) => number) => Operator}
 */
const broadcast =
  (compute) =>
  ([a, b = a]) => {
    const fits = a.length === b.length || a.length === 1 || b.length === 1;
    if (!fits) throw new RangeError("The vectors differ in length.");
    return Float64Array.from({ length: Math.max(a.length, b.length) }, (_, place) =>
      compute(a[a.length > 1 ? place : 0], b[b.length > 1 ? place : 0]),
    );
  };

/** @type {Record<string, Operator>} */
export const OPERATORS = {
  Add: broadcast((a, b) => a + b),
  Sub: broadcast((a, b) => a - b),
  Mul: broadcast((a, b) => a * b),
  Div: broadcast((a, b) => a / b),
  Max: broadcast(Math.max),
  Neg: broadcast((a) => -a),
  Sqrt: broadcast(Math.sqrt),
  Relu: broadcast((a) => Math.max(a, 0)),
  Sigmoid: broadcast((a) => 1 / (1 + Math.exp(-a))),
  Concat: (vectors) => Float64Array.from(vectors.flatMap((one) => Array.from(one))),
  ReduceMax: ([values]) => Float64Array.of(Math.max(...values)),
  ReduceSumSquare: ([values]) => Float64Array.of(sumOfSquares(values)),
  LpNormalization: ([values]) => {
    const norm = Math.sqrt(sumOfSquares(values)) || 1;
    return map(values, (value) => value / norm);
  },
  Softmax: ([values]) => {
    const highest = Math.max(...values);
    const powers = map(values, (value) => Math.exp(value - highest));
    const sum = sumOf(powers);
    return map(powers, (power) => power / sum);
  },
  TopK: ([values, [count]]) => [values.slice().sort().reverse().slice(0, count)],
  Split: ([values], count) => {
    const size = Math.ceil(values.length / count);
    return Array.from({ length: count }, (_, part) => values.slice(part * size, (part + 1) * size));
  },
  MatMul: ([values, { matrix, rows, columns }]) => {
    if (values.length !== columns) throw new RangeError("The vector has the wrong length.");
    return Float64Array.from({ length: rows }, (_, row) => {
      let sum = 0;
      for (let column = 0, at = row * columns; column < columns; column++) {
        sum += values[column] * matrix[at + column];
      }
      return sum;
    });
  },
};
