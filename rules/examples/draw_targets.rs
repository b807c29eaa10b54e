//! Draws which held-out documents price a run and which only control it, from public randomness that nobody chose.
//!
//! `cargo run --release -p rules --no-default-features --example draw_targets`

use corpus::Digest;
use rules::targets::{PoolDocument, draw_targets};

fn main() {
    let document = |n: u32| PoolDocument { source: format!("law/court-{}/{n}.txt", n % 4), commitment: Digest::of(&n.to_be_bytes()) };
    let pool: Vec<PoolDocument> = (0..12).map(document).collect();
    // In a home the seed follows from the witnesses' cosignatures on the tree head after the epoch's close.
    for seed in [b"tree head 1", b"tree head 4"] {
        let drawn = draw_targets(&pool, &Digest::of(seed));
        println!("pricing {:?}, control {:?}", drawn.pricing, drawn.control);
    }
}
