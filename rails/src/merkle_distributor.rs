//! The Merkle tree of a distribution: who may claim how much, of which period, on which chain, from which contract.
//!
//! The tree is OpenZeppelin's `standard-v1`, so that its npm package loads, shows and proves what we dump:
//! a leaf is `keccak256(keccak256(abi.encode(values)))`, a node the `keccak256` of its two children, the smaller first.
//! Leaves are sorted by hash and lie in reverse at the end of the array of a complete binary tree: the children of `i` are
//! `2 i + 1` and `2 i + 2`, the root is 0.
//!
//! The values of a leaf, in the order of [`LEAF_ENCODING`], are `index`, `account`, `amount`, `period`, `chainId`, `distributor`.
//! What differs between claims comes first, in the order of the arguments of the contract's `claim`; what a distribution has in common
//! follows. Safety does not depend on the order: six static types encode to 192 bytes in one way only, and since a node hashes
//! 64 bytes and a leaf's outer hash 32, neither passes for the other.
//!
//! Source: <https://github.com/OpenZeppelin/merkle-tree#standard-merkle-trees>, Solidity's "Contract ABI Specification".

use std::collections::HashMap;

use rayon::prelude::*;
use sha3::{Digest as _, Keccak256};

use crate::address::checksummed;
use crate::merkle_dump::Dump;

/// Solidity types of a leaf's values.
pub const LEAF_ENCODING: [&str; 6] = ["uint256", "address", "uint256", "bytes32", "uint256", "address"];

/// Claims that no distribution can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistributorError {
    /// Nothing to claim.
    #[error("distribution has no claims, expected at least 1")]
    Empty,
    /// A chain that does not exist: nothing could ever be claimed.
    #[error("distribution names chain 0, expected the id of a chain")]
    Chain,
    /// The distribution's contract is the zero address.
    #[error("distribution names the zero address as distributor, expected the address of a contract")]
    Distributor,
    /// Indices are positions, so that a bitmap of them stays dense.
    #[error("claim at position {expected}: index is {found}, expected {expected}")]
    Index {
        /// Its position.
        expected: u64,
        /// Its index.
        found: u64,
    },
    /// An amount that nobody could be paid.
    #[error("claim {index} of {}: amount is {found}, expected more than 0", checksummed(account))]
    Amount {
        /// The claim.
        index: u64,
        /// Its account.
        account: [u8; 20],
        /// Its amount, in minor units.
        found: i128,
    },
    /// Paying there would lose the tokens, or leave them where they are.
    #[error("claim {index}: account is {}, expected neither the zero address nor the distributor", checksummed(account))]
    Account {
        /// The claim.
        index: u64,
        /// Its account.
        account: [u8; 20],
    },
    /// One contributor has one amount per distribution; two are a mistake upstream.
    #[error("claims {first} and {second} are both of account {}, expected one claim per account", checksummed(account))]
    Duplicate {
        /// The earlier claim.
        first: u64,
        /// The later claim.
        second: u64,
        /// Their account.
        account: [u8; 20],
    },
    /// More than the ledger can count.
    #[error("amounts up to claim {index} sum to more than 2^127 - 1 minor units")]
    Total {
        /// The claim at which it happens.
        index: u64,
    },
}

/// What one account may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its position in the distribution.
    pub index: u64,
    /// Who is paid.
    pub account: [u8; 20],
    /// Minor units of the token, more than 0.
    pub amount_minor: i128,
}

/// What all claims of a distribution have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Which payout it is; the contract is constructed with it.
    pub period: [u8; 32],
    /// The chain, by EIP-155.
    pub chain_id: u64,
    /// The contract, which has to be deployed before the tree is made.
    pub distributor: [u8; 20],
}

/// The tree over all claims of a distribution. Takes about 120 bytes per claim, and as much again while it is made.
#[derive(Clone, Debug)]
pub struct Tree {
    distribution: Distribution,
    claims: Vec<Claim>,
    /// `2 n - 1` nodes, the root first.
    nodes: Vec<[u8; 32]>,
    /// Of each claim, where its leaf is in `nodes`.
    leaf_positions: Vec<usize>,
    total_minor: i128,
}

impl Tree {
    /// The tree over `claims`, of which number `i` has index `i`.
    ///
    /// Takes `O(n log n)`, about two seconds per million claims on two cores; uses all threads of rayon's pool.
    ///
    /// # Errors
    /// [`DistributorError`] if a claim could not be paid as it stands.
    pub fn new(distribution: &Distribution, claims: &[Claim]) -> Result<Tree, DistributorError> {
        let total_minor = check(distribution, claims)?;
        let mut leaves: Vec<([u8; 32], usize)> = claims
            .par_iter()
            .enumerate()
            .map(|(i, claim)| (leaf_hash(distribution, claim).expect("amounts are checked to be positive"), i))
            .collect();
        leaves.par_sort_unstable();

        let count = claims.len();
        let mut nodes = vec![[0; 32]; 2 * count - 1];
        let mut leaf_positions = vec![0; count];
        for (order, (hash, claim)) in leaves.into_iter().enumerate() {
            let position = nodes.len() - 1 - order;
            nodes[position] = hash;
            leaf_positions[claim] = position;
        }
        // Positions below `count - 1` are inner nodes; level by level from the lowest, since the nodes of one level depend on
        // lower levels alone. A level that holds both kinds has its inner nodes first.
        let mut end = count - 1;
        while end > 0 {
            // Level `d` begins at `2^d - 1`.
            let start = (1 << end.ilog2()) - 1;
            let (upper, lower) = nodes.split_at_mut(end);
            // The first child of `start` may be inner, the last of `end - 1` a leaf: both are at or after `end`.
            upper[start..].par_iter_mut().with_min_len(256).enumerate().for_each(|(i, node)| {
                let left = 2 * (start + i) + 1 - end;
                *node = node_hash(&lower[left], &lower[left + 1]);
            });
            end = start;
        }
        Ok(Tree { distribution: *distribution, claims: claims.to_vec(), nodes, leaf_positions, total_minor })
    }

    /// What the contract is started with.
    pub fn root(&self) -> [u8; 32] {
        self.nodes[0]
    }

    /// What the contract has to be funded with, in minor units.
    pub fn total_minor(&self) -> i128 {
        self.total_minor
    }

    /// What all claims have in common.
    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// The claims, by index.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The array of the tree, the root first.
    pub fn nodes(&self) -> &[[u8; 32]] {
        &self.nodes
    }

    pub(crate) fn leaf_positions(&self) -> &[usize] {
        &self.leaf_positions
    }

    /// The siblings from the leaf of claim `index` to the root, lowest first.
    ///
    /// # Panics
    /// If `index` is not below the number of claims.
    pub fn proof(&self, index: u64) -> Vec<[u8; 32]> {
        let claim = usize::try_from(index).ok().filter(|&i| i < self.claims.len());
        let mut position = self.leaf_positions[claim.unwrap_or_else(|| panic!("claim {index} of {}", self.claims.len()))];
        let mut proof = Vec::new();
        while position > 0 {
            // Left children are odd.
            proof.push(self.nodes[if position % 2 == 1 { position + 1 } else { position - 1 }]);
            position = (position - 1) / 2;
        }
        proof
    }

    /// What the npm package's `tree.dump()` gives, to be serialized as JSON; byte for byte what `JSON.stringify` writes of it.
    ///
    /// Integers are decimal text and addresses have their checksum, as a caller of the package would pass them.
    pub fn dump(&self) -> Dump<'_> {
        Dump::new(self)
    }
}

/// Whether `claim` is in the tree of `root`.
pub fn verify(root: &[u8; 32], distribution: &Distribution, claim: &Claim, proof: &[[u8; 32]]) -> bool {
    proof_root(distribution, claim, proof).is_some_and(|found| found == *root)
}

/// The root to which `proof` leads from `claim`; none if the amount is not positive, which no tree holds.
pub(crate) fn proof_root(distribution: &Distribution, claim: &Claim, proof: &[[u8; 32]]) -> Option<[u8; 32]> {
    Some(proof.iter().fold(leaf_hash(distribution, claim)?, |node, sibling| node_hash(&node, sibling)))
}

fn leaf_hash(distribution: &Distribution, claim: &Claim) -> Option<[u8; 32]> {
    let amount = u128::try_from(claim.amount_minor).ok().filter(|&amount| amount > 0)?;
    let mut encoded = [0; 192];
    // Integers and addresses stand at the right of their 32 bytes.
    encoded[24..32].copy_from_slice(&claim.index.to_be_bytes());
    encoded[44..64].copy_from_slice(&claim.account);
    encoded[80..96].copy_from_slice(&amount.to_be_bytes());
    encoded[96..128].copy_from_slice(&distribution.period);
    encoded[152..160].copy_from_slice(&distribution.chain_id.to_be_bytes());
    encoded[172..192].copy_from_slice(&distribution.distributor);
    Some(Keccak256::digest(Keccak256::digest(encoded)).into())
}

fn node_hash(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    Keccak256::new().chain_update(a.min(b)).chain_update(a.max(b)).finalize().into()
}

/// The sum of the amounts.
fn check(distribution: &Distribution, claims: &[Claim]) -> Result<i128, DistributorError> {
    if claims.is_empty() {
        return Err(DistributorError::Empty);
    }
    if distribution.chain_id == 0 {
        return Err(DistributorError::Chain);
    }
    if distribution.distributor == [0; 20] {
        return Err(DistributorError::Distributor);
    }
    let mut total: i128 = 0;
    let mut seen = HashMap::with_capacity(claims.len());
    for (expected, &Claim { index, account, amount_minor }) in (0..).zip(claims) {
        if index != expected {
            return Err(DistributorError::Index { expected, found: index });
        }
        if amount_minor <= 0 {
            return Err(DistributorError::Amount { index, account, found: amount_minor });
        }
        if account == [0; 20] || account == distribution.distributor {
            return Err(DistributorError::Account { index, account });
        }
        if let Some(first) = seen.insert(account, index) {
            return Err(DistributorError::Duplicate { first, second: index, account });
        }
        total = total.checked_add(amount_minor).ok_or(DistributorError::Total { index })?;
    }
    Ok(total)
}
