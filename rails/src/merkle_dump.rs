//! A tree of claims as JSON, in the format of OpenZeppelin's npm package.
//!
//! Source: `StandardMerkleTree.dump`, <https://github.com/OpenZeppelin/merkle-tree#dump>.

use serde::{Serialize, Serializer};

use crate::address::checksummed;
use crate::hex::Hex;
use crate::merkle_distributor::{LEAF_ENCODING, Tree};

/// A tree as the npm package writes it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Dump<'a> {
    format: &'static str,
    #[serde(rename = "leafEncoding")]
    leaf_encoding: [&'static str; 6],
    tree: Nodes<'a>,
    values: Values<'a>,
}

impl<'a> Dump<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Dump<'a> {
        Dump { format: "standard-v1", leaf_encoding: LEAF_ENCODING, tree: Nodes(tree.nodes()), values: Values(tree) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Nodes<'a>(&'a [[u8; 32]]);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|node| Text(Hex(node))))
    }
}

struct Text<'a>(Hex<'a>);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Values<'a>(&'a Tree);

#[derive(Serialize)]
struct Value<'a> {
    value: [&'a str; 6],
    #[serde(rename = "treeIndex")]
    tree_index: usize,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let (distribution, claims, leaf_positions) = (self.0.distribution(), self.0.claims(), self.0.leaf_positions());
        let (period, chain_id, distributor) =
            (Hex(&distribution.period).to_string(), distribution.chain_id.to_string(), checksummed(&distribution.distributor));
        let mut values = serializer.serialize_seq(Some(claims.len()))?;
        for (claim, &tree_index) in claims.iter().zip(leaf_positions) {
            let (index, account, amount) = (claim.index.to_string(), checksummed(&claim.account), claim.amount_minor.to_string());
            values.serialize_element(&Value { value: [&index, &account, &amount, &period, &chain_id, &distributor], tree_index })?;
        }
        values.end()
    }
}
