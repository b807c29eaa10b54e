#!/bin/sh
# Ingest end to end on real text of this machine, beside `tokenizers` and datatrove; prints Markdown tables.
# Usage: benches/ingest.sh [--mb 500] [--curve 50,200,500,2000] [--parts stages,peers,curve]
# What is installed and generated lies in $XDG_CACHE_HOME/assay-ingest-bench (several times --mb).
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --workspace --bins --examples
cache=${XDG_CACHE_HOME:-$HOME/.cache}/assay-ingest-bench
[ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
install() { "$cache/venv/bin/pip" install --quiet "$@" || echo "not installed: $*" >&2; }
install tokenizers
# datatrove hands strings to xxhash, which takes bytes alone since version 4.
install datatrove orjson regex 'xxhash<4' tokenizers 'spacy>=3.8'
"$cache/venv/bin/python" benches/ingest.py --target "$target/release" --work "$cache/work" "$@"
