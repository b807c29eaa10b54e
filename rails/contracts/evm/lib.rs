//! Tests alone: `tests/distributor/`.
