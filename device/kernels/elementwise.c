// What is computed for each value alone: scaled pixels, sums, activations, factors by channel.
//
// Each may write to its own input. `count` is a multiple of four.
#include "simd.h"

// Look each channel's byte up; the table has the network's input for every byte: [256, 3].
//
// in: bytes [places, 3], out: [places, 3]
EXPORT(look_up)
void look_up(const uint8_t *in, int places, const float *table, float *out) {
  for (int i = 0; i < 3 * places; i += 3) {
    for (int c = 0; c < 3; c++) out[i + c] = table[3 * in[i + c] + c];
  }
}

EXPORT(add)
void add(const float *a, const float *b, int count, float low, float high, float *out) {
  const f4 lowest = wasm_f32x4_splat(low), highest = wasm_f32x4_splat(high);
  for (int i = 0; i < count; i += 4) {
    const f4 sum = wasm_f32x4_add(wasm_v128_load(a + i), wasm_v128_load(b + i));
    wasm_v128_store(out + i, clamp(sum, lowest, highest));
  }
}

// in and out: [places, channels], factors: [channels]
EXPORT(scale)
void scale(const float *in, int places, int channels, const float *factors, float *out) {
  for (int place = 0; place < places; place++, in += channels, out += channels) {
    for (int c = 0; c < channels; c += 4) {
      wasm_v128_store(out + c, wasm_f32x4_mul(wasm_v128_load(in + c), wasm_v128_load(factors + c)));
    }
  }
}

// Return e to the power of x, within 2 units in the last place.
//
// Source: expf of Moshier's Cephes library: 2^n · e^r, with r below ln(2) / 2 by a polynomial.
INLINE f4 exponential(f4 x) {
  x = clamp(x, wasm_f32x4_const_splat(-87.3f), wasm_f32x4_const_splat(88.3f));
  const f4 n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_const_splat(1.44269504f)));
  // ln(2) in two parts, the first exact in few bits.
  x = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_const_splat(0.693359375f)));
  x = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_const_splat(-2.12194440e-4f)));
  f4 sum = wasm_f32x4_const_splat(1.9875691500e-4f);
  sum = multiply_add(sum, x, wasm_f32x4_const_splat(1.3981999507e-3f));
  sum = multiply_add(sum, x, wasm_f32x4_const_splat(8.3334519073e-3f));
  sum = multiply_add(sum, x, wasm_f32x4_const_splat(4.1665795894e-2f));
  sum = multiply_add(sum, x, wasm_f32x4_const_splat(1.6666665459e-1f));
  sum = multiply_add(sum, x, wasm_f32x4_const_splat(5.0000001201e-1f));
  sum = multiply_add(sum, wasm_f32x4_mul(x, x), wasm_f32x4_add(x, wasm_f32x4_const_splat(1)));
  const v128_t exponent = wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_const_splat(127));
  return wasm_f32x4_mul(sum, wasm_i32x4_shl(exponent, 23));
}

enum { CLIP, SIGMOID, SILU, HARD_SIGMOID, HARD_SWISH };

INLINE f4 activated(const int kind, f4 x, f4 low, f4 high) {
  const f4 zero = wasm_f32x4_const_splat(0), one = wasm_f32x4_const_splat(1);
  if (kind == CLIP) return clamp(x, low, high);
  if (kind == SIGMOID || kind == SILU) {
    const f4 inverse = wasm_f32x4_add(one, exponential(wasm_f32x4_neg(x)));
    return wasm_f32x4_div(kind == SILU ? x : one, inverse);
  }
  const f4 sixth = wasm_f32x4_mul(x, wasm_f32x4_const_splat(1 / 6.0f));
  const f4 gate = clamp(wasm_f32x4_add(sixth, wasm_f32x4_const_splat(0.5f)), zero, one);
  return kind == HARD_SWISH ? wasm_f32x4_mul(x, gate) : gate;
}

// kind: a number of the enumeration above; low and high are for CLIP
EXPORT(activate)
void activate(const float *in, int count, int kind, float low, float high, float *out) {
  const f4 lowest = wasm_f32x4_splat(low), highest = wasm_f32x4_splat(high);
#define ACTIVATE(name)                                                              \
  if (kind == name)                                                                 \
    for (int i = 0; i < count; i += 4)                                              \
  wasm_v128_store(out + i, activated(name, wasm_v128_load(in + i), lowest, highest))
  ACTIVATE(CLIP);
  ACTIVATE(SIGMOID);
  ACTIVATE(SILU);
  ACTIVATE(HARD_SIGMOID);
  ACTIVATE(HARD_SWISH);
}
