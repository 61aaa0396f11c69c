// Convolutions and dense layers as matrix products.
//
// A product is computed in tiles of TILE_ROWS rows and 8 columns that stay in registers, like those of
// XNNPACK's f32-gemm kernels. Weights come in panels of 8 output channels: their biases, then 8 weights
// for each input.
#include "simd.h"

// With 4 rows, Firefox 153 spills registers of the plain form (1.7 times the time); V8 doesn't.
#ifdef __wasm_relaxed_simd__
#define TILE_ROWS 4
#else
#define TILE_ROWS 3
#endif

// Rows are multiplied in blocks of this size, which the second-level cache holds beside a panel.
#define BLOCK_BYTES 262144

typedef struct {
  const float *weights;  // panels
  int depth, columns;    // inputs and outputs of a row
  float low, high;       // bounds of the outputs
} Layer;

// Write panels of `width` (8 or 4) output channels, zero beyond the last.
//
// weights: [channels, depth], float32, or int8 if each channel has a scale
// scales, bias: [channels], or null
EXPORT(pack_panels)
void pack_panels(const void *weights, const float *scales, const float *bias, int channels, int depth,
                 int width, float *panels) {
  for (int first = 0; first < channels; first += width) {
    for (int i = -1; i < depth; i++) {
      for (int channel = first; channel < first + width; channel++) {
        const size_t at = (size_t)channel * depth + i;
        float value = 0;
        if (channel >= channels) value = 0;
        else if (i < 0) value = bias ? bias[channel] : 0;
        else if (scales) value = ((const int8_t *)weights)[at] * scales[channel];
        else value = ((const float *)weights)[at];
        *panels++ = value;
      }
    }
  }
}

// Compute `rows` rows of 8 columns, or of 4 at the end.
INLINE void tile(const int rows, const Layer *layer, int column, const float *in, float *out,
                 const float *residual) {
  const int depth = layer->depth, columns = layer->columns;
  const float *weights = layer->weights + (size_t)column * (depth + 1);
  f4 left[rows], right[rows];
#pragma unroll
  for (int row = 0; row < rows; row++) {
    left[row] = wasm_v128_load(weights);
    right[row] = wasm_v128_load(weights + 4);
  }
  for (int i = 0; i < depth; i++) {
    weights += 8;
    const f4 u = wasm_v128_load(weights), v = wasm_v128_load(weights + 4);
#pragma unroll
    for (int row = 0; row < rows; row++) {
      const f4 value = wasm_v128_load32_splat(in + (size_t)row * depth + i);
      left[row] = multiply_add(value, u, left[row]);
      right[row] = multiply_add(value, v, right[row]);
    }
  }
  const f4 low = wasm_f32x4_splat(layer->low), high = wasm_f32x4_splat(layer->high);
  const int has_right = column + 4 < columns;
#pragma unroll
  for (int row = 0; row < rows; row++) {
    const size_t at = (size_t)row * columns + column;
    if (residual) left[row] = wasm_f32x4_add(left[row], wasm_v128_load(residual + at));
    wasm_v128_store(out + at, clamp(left[row], low, high));
    if (!has_right) continue;
    if (residual) right[row] = wasm_f32x4_add(right[row], wasm_v128_load(residual + at + 4));
    wasm_v128_store(out + at + 4, clamp(right[row], low, high));
  }
}

static void multiply(const Layer *layer, int rows, const float *in, float *out, const float *residual) {
  const int depth = layer->depth, columns = layer->columns;
  int block = BLOCK_BYTES / 4 / depth / TILE_ROWS * TILE_ROWS;
  if (block < TILE_ROWS) block = TILE_ROWS;
  for (int start = 0; start < rows; start += block) {
    const int end = start + block < rows ? start + block : rows;
    for (int column = 0; column < columns; column += 8) {
#define TILE(count)                                                                    \
  tile(count, layer, column, in + (size_t)row * depth, out + (size_t)row * columns,    \
       residual ? residual + (size_t)row * columns : 0)
      int row = start;
      for (; row + TILE_ROWS <= end; row += TILE_ROWS) TILE(TILE_ROWS);
      if (row + 2 <= end) TILE(2), row += 2;
      if (row < end) TILE(1);
#undef TILE
    }
  }
}

// Multiply rows by a matrix: a dense layer, or a convolution with a window of one place and stride 1.
//
// in: [rows, depth], out and residual: [rows, columns]; the residual, or null, is added before the bounds.
EXPORT(gemm)
void gemm(const float *in, int rows, int depth, const float *panels, int columns, const float *residual,
          float low, float high, float *out) {
  const Layer layer = {panels, depth, columns, low, high};
  multiply(&layer, rows, in, out, residual);
}

// Convolve with a square window. `strip` rows of the output at a time are copied to `scratch`:
// [strip · out_width, size · size · channels].
//
// in: [height, width, channels], out and residual: [out_height, out_width, columns]
EXPORT(convolve)
void convolve(const float *in, int height, int width, int channels, int size, int stride, int top, int left,
              const float *panels, int out_height, int out_width, int columns, const float *residual,
              float low, float high, int strip, float *scratch, float *out) {
  const Layer layer = {panels, size * size * channels, columns, low, high};
  for (int start = 0; start < out_height; start += strip) {
    const int end = start + strip < out_height ? start + strip : out_height;
    float *to = scratch;
    for (int y = start; y < end; y++) {
      for (int x = 0; x < out_width; x++) {
        for (int v = y * stride - top; v < y * stride - top + size; v++) {
          for (int u = x * stride - left; u < x * stride - left + size; u++, to += channels) {
            const int is_inside = v >= 0 && v < height && u >= 0 && u < width;
            const float *from = in + ((size_t)v * width + u) * channels;
            for (int c = 0; c < channels; c++) to[c] = is_inside ? from[c] : 0;
          }
        }
      }
    }
    const size_t at = (size_t)start * out_width * columns;
    multiply(&layer, (end - start) * out_width, scratch, out + at, residual ? residual + at : 0);
  }
}
