#!/bin/sh
# The own memory of `assay ingest` at 0.5, 1, 2 and 4 GB of text, its CPU time with one thread and two, and its serial part.
# Usage: benches/memory.sh [--sizes 500,1000,2000,4000] [--parts memory,threads]
# Text and homes lie in $XDG_CACHE_HOME/assay-memory-bench, about four times the largest size, and are removed as it goes on.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --workspace --bins
cache=${XDG_CACHE_HOME:-$HOME/.cache}/assay-memory-bench
exec python3 benches/memory.py --assay "${CARGO_TARGET_DIR:-target}/release/assay" --work "$cache" "$@"
