#!/bin/sh
# Compile the kernels to FOLDER: build.sh PYTHON FOLDER. Both binaries are checked in, and a test
# compares them with what this makes; another compiler writes other bytes.
set -eu
python=$1 folder=$2
cd "$(dirname "$0")"
compile() {
  output=$1 && shift
  "$python" -m ziglang cc --target=wasm32-freestanding -O3 -msimd128 "$@" -nostdlib -ffreestanding \
    -Wall -Wextra -Werror -Wl,--no-entry -Wl,--export=__heap_base -Wl,--strip-all \
    -o "$output" ./*.c
  chmod 644 "$output"
}
compile "$folder/kernels.wasm"
compile "$folder/kernels-relaxed.wasm" -mrelaxed-simd
