// Depthwise convolutions: one filter a channel, with a window of 3 × 3 or 5 × 5 and stride 1 or 2.
//
// Four channels at a time are copied into a plane with its padding, so that their weights stay at hand
// and no place needs a check. Four outputs of a row share what they read, as in XNNPACK's
// f32-dwconv2d-chw kernels.
#include "simd.h"

typedef struct {
  const float *in;
  float *scratch, *out;
  int height, width, channels, top, left, out_height, out_width;
  float low, high;
} Map;

// Return the floats of a plane's row; engine/network_steps.mjs reserves as many.
INLINE int plane_width(int out_width, int size, int stride) { return 4 * (out_width * stride + size + 4 * stride); }

static void copy_plane(const Map *map, int rows, int row_floats, int channel) {
  const f4 zero = wasm_f32x4_const_splat(0);
  for (int y = 0; y < rows; y++) {
    float *to = map->scratch + (size_t)y * row_floats, *end = to + row_floats;
    const int from = y - map->top;
    if (from >= 0 && from < map->height) {
      const float *in = map->in + (size_t)from * map->width * map->channels + channel;
      for (int x = 0; x < map->left; x++, to += 4) wasm_v128_store(to, zero);
      for (int x = 0; x < map->width && to < end; x++, to += 4, in += map->channels) {
        wasm_v128_store(to, wasm_v128_load(in));
      }
    }
    for (; to < end; to += 4) wasm_v128_store(to, zero);
  }
}

// weights: the biases of four channels, then their weights for each place of the window
INLINE void convolve_plane(const int size, const int stride, const Map *map, const float *panel, int channel) {
  const int row_floats = plane_width(map->out_width, size, stride);
  copy_plane(map, (map->out_height - 1) * stride + size, row_floats, channel);
  const f4 low = wasm_f32x4_splat(map->low), high = wasm_f32x4_splat(map->high);
  const f4 bias = wasm_v128_load(panel);
  f4 weights[size * size];
#pragma unroll
  for (int i = 0; i < size * size; i++) weights[i] = wasm_v128_load(panel + 4 + 4 * i);
  for (int y = 0; y < map->out_height; y++) {
    for (int x = 0; x < map->out_width; x += 4) {
      const float *in = map->scratch + (size_t)y * stride * row_floats + 4 * x * stride;
      f4 sums[4] = {bias, bias, bias, bias};
#pragma unroll
      for (int row = 0; row < size; row++, in += row_floats) {
#pragma unroll
        for (int i = 0; i < size + 3 * stride; i++) {
          const f4 value = wasm_v128_load(in + 4 * i);
#pragma unroll
          for (int j = 0; j < 4; j++) {
            const int place = i - j * stride;
            if (place >= 0 && place < size) {
              sums[j] = multiply_add(value, weights[row * size + place], sums[j]);
            }
          }
        }
      }
      float *out = map->out + ((size_t)y * map->out_width + x) * map->channels + channel;
      for (int j = 0; j < 4 && x + j < map->out_width; j++, out += map->channels) {
        wasm_v128_store(out, clamp(sums[j], low, high));
      }
    }
  }
}

// in: [height, width, channels], out: [out_height, out_width, channels]; panels of four channels
EXPORT(depthwise)
void depthwise(const float *in, int height, int width, int channels, int size, int stride, int top, int left,
               const float *panels, int out_height, int out_width, float low, float high, float *scratch,
               float *out) {
  const Map map = {in, scratch, out, height, width, channels, top, left, out_height, out_width, low, high};
  for (int channel = 0; channel < channels; channel += 4) {
    const float *panel = panels + (size_t)channel * (size * size + 1);
    if (size == 3 && stride == 1) convolve_plane(3, 1, &map, panel, channel);
    else if (size == 3) convolve_plane(3, 2, &map, panel, channel);
    else if (stride == 1) convolve_plane(5, 1, &map, panel, channel);
    else convolve_plane(5, 2, &map, panel, channel);
  }
}
