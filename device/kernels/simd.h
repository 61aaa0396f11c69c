// WebAssembly SIMD for the kernels, which use no library, not even libc.
//
// Maps are float32, [height, width, channels]. Channels are a multiple of four, since the packer adds
// zeros, except for the three of the photo. engine/network_steps.mjs checks all places and sizes when a
// network is opened; engine/resize.mjs makes its own. Kernels check nothing.
#ifndef SIMD_H
#define SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))

typedef v128_t f4;  // four float32

// Return a · b + sum. The relaxed form is rounded once or twice, as the processor prefers.
INLINE f4 multiply_add(f4 a, f4 b, f4 sum) {
#ifdef __wasm_relaxed_simd__
  return wasm_f32x4_relaxed_madd(a, b, sum);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(a, b), sum);
#endif
}

// NaN stays NaN, so that the golden test sees it.
INLINE f4 clamp(f4 value, f4 low, f4 high) { return wasm_f32x4_min(high, wasm_f32x4_max(low, value)); }

#endif
