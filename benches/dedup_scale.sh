#!/usr/bin/env bash
# How time and memory of `assay dedup` grow with the number of documents (about 2 KB each): `benches/dedup_scale.sh [COUNT…]`.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --workspace --bins --examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
counts=("${@:-}")
[ -n "${counts[0]}" ] || counts=(10000 100000 1000000)
printf '| documents | MB of text | options | wall s | CPU s | MB/CPU s | peak MB | bytes a document |\n|--:|--:|---|--:|--:|--:|--:|--:|\n'
for count in "${counts[@]}"; do
    "$target/release/examples/synthetic" "$count" >"$work/d.jsonl"
    for options in "--no-spans" ""; do
        # shellcheck disable=SC2086
        /usr/bin/time -f '%e %U %S %M' -o "$work/time" "$target/release/assay" dedup --json --device cpu --input "$work/d.jsonl" \
            --clusters "$work/c" --verdicts "$work/v.parquet" $options >"$work/said"
        python3 - "$count" "$options" "$work" <<'P'
import json, sys
count, options, work = int(sys.argv[1]), sys.argv[2], sys.argv[3]
wall, user, system, peak = map(float, open(f"{work}/time").read().split())
megabytes = json.load(open(f"{work}/said"))["bytes"] / 1e6
cpu = user + system
print(f"| {count:,} | {megabytes:,.0f} | {options or 'spans'} | {wall:.1f} | {cpu:.1f} | {megabytes / cpu:.0f} | {peak / 1024:.0f} | {peak * 1024 / count:.0f} |")
P
    done
done
