// Pillow's resampling of RGBA bytes, one axis after the other; engine/resize.mjs computes the weights.
//
// A table has, for each place of the result: the first source, the number of sources, and `taps`
// weights of 22 bits after the point.
//
// Source: `Resample.c` in Pillow's `src/libImaging`.
#include "simd.h"

#define PRECISION_BITS 22

INLINE v128_t start(void) { return wasm_i32x4_const_splat(1 << (PRECISION_BITS - 1)); }

INLINE v128_t narrow(v128_t a, v128_t b, v128_t c, v128_t d) {
  const v128_t low = wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(a, PRECISION_BITS), wasm_i32x4_shr(b, PRECISION_BITS));
  const v128_t high = wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(c, PRECISION_BITS), wasm_i32x4_shr(d, PRECISION_BITS));
  return wasm_u8x16_narrow_i16x8(low, high);
}

INLINE v128_t weigh(v128_t sum, v128_t pixel, v128_t weight) {
  return wasm_i32x4_add(sum, wasm_i32x4_mul(pixel, weight));
}

// Resample each row: in [height, width, 4], out [height, places, 4].
EXPORT(resample_rows)
void resample_rows(const uint8_t *in, int width, int height, const int32_t *table, int places, int taps,
                   uint8_t *out) {
  for (int y = 0; y < height; y++, in += 4 * width) {
    const int32_t *entry = table;
    for (int place = 0; place < places; place++, entry += 2 + taps, out += 4) {
      const uint8_t *from = in + 4 * entry[0];
      v128_t sum = start();
      for (int k = 0; k < entry[1]; k++, from += 4) {
        const v128_t pixel = wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(from));
        sum = weigh(sum, wasm_u32x4_extend_low_u16x8(pixel), wasm_i32x4_splat(entry[2 + k]));
      }
      wasm_v128_store32_lane(out, narrow(sum, sum, sum, sum), 0);
    }
  }
}

// Resample each column, four at a time: in [height, width, 4], out [places, width, 4]. Up to 12 bytes
// beyond the end of both are read or written.
EXPORT(resample_columns)
void resample_columns(const uint8_t *in, int width, const int32_t *table, int places, int taps, uint8_t *out) {
  for (int place = 0; place < places; place++, table += 2 + taps, out += 4 * width) {
    for (int x = 0; x < width; x += 4) {
      const uint8_t *from = in + 4 * ((size_t)table[0] * width + x);
      v128_t a = start(), b = a, c = a, d = a;
      for (int k = 0; k < table[1]; k++, from += 4 * width) {
        const v128_t pixels = wasm_v128_load(from), weight = wasm_i32x4_splat(table[2 + k]);
        const v128_t low = wasm_u16x8_extend_low_u8x16(pixels), high = wasm_u16x8_extend_high_u8x16(pixels);
        a = weigh(a, wasm_u32x4_extend_low_u16x8(low), weight);
        b = weigh(b, wasm_u32x4_extend_high_u16x8(low), weight);
        c = weigh(c, wasm_u32x4_extend_low_u16x8(high), weight);
        d = weigh(d, wasm_u32x4_extend_high_u16x8(high), weight);
      }
      wasm_v128_store(out + 4 * x, narrow(a, b, c, d));
    }
  }
}
