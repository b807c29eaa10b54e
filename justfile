# Recipes for `just`; each is a few plain commands, which work without it too.

set positional-arguments

# Lists the recipes.
default:
    @just --list

# Format, lints, unit tests and documentation; before every commit, in at most three minutes where dependencies are built.
check:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    cargo test --release --workspace --lib --bins
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

# All tests, or those of the arguments (`just test --test rules`), and what was skipped.
test *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    ASSAY_SKIPS=$(mktemp)
    export ASSAY_SKIPS
    trap 'cat "$ASSAY_SKIPS"; rm -f "$ASSAY_SKIPS"' EXIT
    cargo test --release --workspace "$@"

# Formats the sources.
fmt:
    cargo fmt --all

# Fuzzes targets for some seconds each: `just fuzz 60 note parquet`; all of them by default.
fuzz *arguments:
    fuzz/run "$@"

# Writes the list of the program's parts (CycloneDX).
sbom out="assay.cdx.json":
    .ci/sbom "{{out}}"

# Everything that has to hold before a change lands.
ci:
    .ci/run

# Checks that take longer: lists them, or runs one.
nightly *part:
    .ci/nightly "$@"
