#!/bin/sh
# `assay dedup` beside other near-duplicate removers on one labelled workload; prints a Markdown table.
# Usage: benches/dedup.sh [OPTIONS OF dedup.py, such as --mb 50 --rounds 3]
# What is installed and generated lies in $XDG_CACHE_HOME/assay-dedup-bench (about 1 GB).
set -eu
cd "$(dirname "$0")/.."
cargo build --release --workspace
cache=${XDG_CACHE_HOME:-$HOME/.cache}/assay-dedup-bench
[ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
# One at a time: a tool that cannot be installed is a line of the table that says so.
install() { "$cache/venv/bin/pip" install --quiet "$@" || echo "not installed: $*" >&2; }
install numpy
# datatrove hands strings to xxhash, which takes bytes alone since version 4.
install 'xxhash<4'
install datasketch
install rensa
install gaoya
install dedup-rs
install datatrove orjson regex tokenizers
# All that text-dedup names is over a gigabyte; its MinHash uses little of it.
install datasets rich click-option-group ftfy scipy regex && install --no-deps text-dedup
"$cache/venv/bin/python" benches/dedup.py --assay "${CARGO_TARGET_DIR:-target}/release/assay" --work "$cache/work" "$@"
