#!/bin/sh
# Plain training, the bound of its products, and PyTorch, alternately in one run; with peak memory.
# Usage: benches/speed.sh PYTHON [ROUNDS]   (PYTHON has torch)
set -eu
cd "$(dirname "$0")/.."
python=${1:?a Python with torch}
rounds=${2:-3}
cargo build --release --workspace --example speed
binary=${CARGO_TARGET_DIR:-target}/release/examples/speed
peak() { /usr/bin/time -f "%M KiB at most" "$@"; }
i=0
while [ $i -lt "$rounds" ]; do
    for mode in bound plain accounts sketches; do peak "$binary" $mode 8; done
    peak "$python" benches/speed.py 8
    i=$((i + 1))
done
