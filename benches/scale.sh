#!/bin/sh
# What attribution costs as buckets, sketches and parameters grow; one process a line, plain and attributed in turns.
# Usage: benches/scale.sh [STEPS]
set -eu
cd "$(dirname "$0")/.."
steps=${1:-12}
cargo build --release --workspace --example scale
run() { "${CARGO_TARGET_DIR:-target}/release/examples/scale" "$@"; }
for buckets in 1 4 16 64; do run $buckets 128 4 "$steps" 0; done
for size in "64 2" "128 4" "256 6" "512 8"; do
    # shellcheck disable=SC2086
    for kind in "1 0" "8 0" "8 4"; do
        set -- $size $kind
        run "$3" "$1" "$2" "$steps" "$4"
    done
done
run 1000 64 2 "$steps" 0
