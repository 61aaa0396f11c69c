// The maximum or the mean of a window at each place; a window as large as the map pools all of it.
#include "simd.h"

INLINE int larger(int a, int b) { return a > b ? a : b; }
INLINE int smaller(int a, int b) { return a < b ? a : b; }

// Places outside the map don't count. Every window must have one inside.
//
// in: [height, width, channels], out: [out_height, out_width, channels]
EXPORT(pool)
void pool(const float *in, int height, int width, int channels, int rows, int columns, int stride, int top,
          int left, int out_height, int out_width, int is_mean, float *out) {
  for (int y = 0; y < out_height; y++) {
    const int first_row = larger(0, y * stride - top), last_row = smaller(height, y * stride - top + rows);
    for (int x = 0; x < out_width; x++, out += channels) {
      const int first = larger(0, x * stride - left), last = smaller(width, x * stride - left + columns);
      const f4 count = wasm_f32x4_splat((float)((last_row - first_row) * (last - first)));
      for (int c = 0; c < channels; c += 4) {
        f4 result = wasm_f32x4_splat(is_mean ? 0 : -__builtin_inff());
        for (int v = first_row; v < last_row; v++) {
          const float *from = in + ((size_t)v * width + first) * channels + c;
          for (int u = first; u < last; u++, from += channels) {
            const f4 value = wasm_v128_load(from);
            result = is_mean ? wasm_f32x4_add(result, value) : wasm_f32x4_max(result, value);
          }
        }
        wasm_v128_store(out + c, is_mean ? wasm_f32x4_div(result, count) : result);
      }
    }
  }
}
