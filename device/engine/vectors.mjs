/** ONNX operators on vectors, in double precision: what follows a network's features. */

/**
 * Takes an operator's inputs and the number of its outputs.
 *
 * @typedef {(inputs: any[], count: number) => Float64Array | Float64Array[]} Operator
 */

/** @param {Float64Array} values */
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/**
 * Apply a function to each value.
 *
 * @type {(values: Float64Array, compute: (value: number) => number) => Float64Array}
 */
const map = (values, compute) => values.map(compute);

/** @param {Float64Array} values */
const sumOfSquares = (values) => sumOf(map(values, (value) => value * value));

/**
 * Compute each value alone; a vector of length one stands for as many as the other has.
 *
 * @type {(compute: (a: number, b: number) => number) => Operator}
 */
const elementwise =
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
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b),
  Mul: elementwise((a, b) => a * b),
  Div: elementwise((a, b) => a / b),
  Max: elementwise(Math.max),
  Neg: elementwise((a) => -a),
  Sqrt: elementwise(Math.sqrt),
  Relu: elementwise((a) => Math.max(a, 0)),
  Sigmoid: elementwise((a) => 1 / (1 + Math.exp(-a))),
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
