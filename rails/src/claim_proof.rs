//! All that one claim needs: with it and a node of the chain, anybody can have the contributor paid, without a service of ours.

use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Keccak256};

use crate::address::checksummed;
use crate::hex::Hex;
use crate::merkle_distributor::{Claim, Distribution, Tree, proof_root};

/// The Solidity signature of the contract's function.
pub(crate) const CLAIM_SIGNATURE: &str = "claim(uint256,address,uint256,bytes32[])";

/// Hashes of the longest proof: indices have 64 bits.
const MAX_PROOF_LEN: usize = 64;

/// A claim that its own root does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimProofError {
    /// An amount that no tree holds.
    #[error("claim {index} of {}: amount is {found}, expected more than 0", checksummed(account))]
    Amount {
        /// The claim.
        index: u64,
        /// Its account.
        account: [u8; 20],
        /// Its amount, in minor units.
        found: i128,
    },
    /// A proof longer than that of any tree.
    #[error("claim {index}: proof has {found} hashes, expected at most {MAX_PROOF_LEN}")]
    Length {
        /// The claim.
        index: u64,
        /// Its hashes.
        found: usize,
    },
    /// One of the fields is not what the tree was made of.
    #[error("claim {index} of {}: proof leads to root {}, expected {}", checksummed(account), Hex(found), Hex(expected))]
    Root {
        /// The claim.
        index: u64,
        /// Its account.
        account: [u8; 20],
        /// The root that it states.
        expected: [u8; 32],
        /// The root that its proof gives.
        found: [u8; 32],
    },
}

/// A claim, its proof, and where to claim.
///
/// In JSON: `0x` with 64 lower-case digits for words, with checksum for addresses; decimal text for the amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimProof {
    /// The chain, by EIP-155.
    pub chain_id: u64,
    /// The contract to call.
    #[serde(with = "crate::address")]
    pub distributor: [u8; 20],
    /// The ERC-20 token that it pays. Not in the leaf: the contract has one token for good.
    #[serde(with = "crate::address")]
    pub token: [u8; 20],
    /// Which payout it is; the contract knows it, the leaf holds it.
    #[serde(with = "crate::hex::word")]
    pub period: [u8; 32],
    /// The claim's position in the distribution.
    pub index: u64,
    /// Who is paid, whoever calls.
    #[serde(with = "crate::address")]
    pub account: [u8; 20],
    /// Minor units of the token.
    #[serde(with = "ledger::amount")]
    pub amount_minor: i128,
    /// From the leaf to the root, lowest first.
    #[serde(with = "crate::hex::words")]
    pub proof: Vec<[u8; 32]>,
    /// The root of the distribution's tree.
    #[serde(with = "crate::hex::word")]
    pub root: [u8; 32],
}

impl ClaimProof {
    /// The proof of claim `index`, paid in `token`.
    ///
    /// # Panics
    /// If `index` is not below the number of claims.
    pub fn new(tree: &Tree, token: [u8; 20], index: u64) -> ClaimProof {
        let proof = tree.proof(index);
        let &Distribution { period, chain_id, distributor } = tree.distribution();
        let Claim { index, account, amount_minor } = tree.claims()[index as usize];
        ClaimProof { chain_id, distributor, token, period, index, account, amount_minor, proof, root: tree.root() }
    }

    /// Checks that the proof leads from the claim to the root that is stated beside it.
    ///
    /// That the distribution has this root is for others to say: compare it with `root()` of the contract, and `token` with its `token()`.
    ///
    /// # Errors
    /// [`ClaimProofError`] says what does not fit.
    pub fn verify(&self) -> Result<(), ClaimProofError> {
        let &ClaimProof { chain_id, distributor, period, index, account, amount_minor, root: expected, .. } = self;
        if self.proof.len() > MAX_PROOF_LEN {
            return Err(ClaimProofError::Length { index, found: self.proof.len() });
        }
        match proof_root(&Distribution { period, chain_id, distributor }, &Claim { index, account, amount_minor }, &self.proof) {
            None => Err(ClaimProofError::Amount { index, account, found: amount_minor }),
            Some(found) if found != expected => Err(ClaimProofError::Root { index, account, expected, found }),
            Some(_) => Ok(()),
        }
    }

    /// The data of the transaction to `distributor` that claims: four bytes of selector, then the arguments.
    ///
    /// Source: Solidity's "Contract ABI Specification".
    ///
    /// # Errors
    /// As [`ClaimProof::verify`], since the contract would refuse it after taking the fee.
    pub fn call_data(&self) -> Result<Vec<u8>, ClaimProofError> {
        self.verify()?;
        let amount = u128::try_from(self.amount_minor).expect("a verified amount is positive");
        let mut data = Keccak256::digest(CLAIM_SIGNATURE)[..4].to_vec();
        push_word(&mut data, &self.index.to_be_bytes());
        push_word(&mut data, &self.account);
        push_word(&mut data, &amount.to_be_bytes());
        // Where the list begins: after the four words of the head.
        push_word(&mut data, &128u64.to_be_bytes());
        push_word(&mut data, &(self.proof.len() as u64).to_be_bytes());
        data.extend(self.proof.iter().flatten());
        Ok(data)
    }
}

/// Appends up to 32 bytes, with zeros to their left.
fn push_word(data: &mut Vec<u8>, bytes: &[u8]) {
    data.resize(data.len() + 32 - bytes.len(), 0);
    data.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let claims: Vec<_> = (0..5).map(|i| Claim { index: i, account: [i as u8 + 1; 20], amount_minor: 10 + i128::from(i) }).collect();
        Tree::new(&Distribution { period: [7; 32], chain_id: 1, distributor: [0xdd; 20] }, &claims).unwrap()
    }

    #[test]
    fn a_proof_survives_its_json() {
        let tree = tree();
        for index in 0..5 {
            let proof = ClaimProof::new(&tree, [0xee; 20], index);
            assert_eq!(proof.verify(), Ok(()));
            let json = serde_json::to_string(&proof).unwrap();
            assert!(json.contains(&format!(r#""amount_minor":"{}""#, 10 + index)), "{json}");
            assert_eq!(serde_json::from_str::<ClaimProof>(&json).unwrap(), proof);
        }
    }

    #[test]
    fn a_changed_field_breaks_the_proof() {
        let good = ClaimProof::new(&tree(), [0xee; 20], 3);
        let changes: [fn(&mut ClaimProof); 10] = [
            |p| p.chain_id = 2,
            |p| p.distributor[0] ^= 1,
            |p| p.period[31] ^= 1,
            |p| p.index = 2,
            |p| p.account[19] ^= 1,
            |p| p.amount_minor += 1,
            |p| p.proof[0][0] ^= 1,
            |p| p.proof.swap(0, 1),
            |p| p.proof.truncate(1),
            |p| p.root[0] ^= 1,
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(matches!(bad.verify(), Err(ClaimProofError::Root { .. })), "change {i}");
            assert!(bad.call_data().is_err(), "change {i}");
        }
        for found in [0, -13, i128::MIN] {
            let bad = ClaimProof { amount_minor: found, ..good.clone() };
            assert_eq!(bad.verify(), Err(ClaimProofError::Amount { index: 3, account: [4; 20], found }));
        }
        let long = ClaimProof { proof: vec![[0; 32]; 65], ..good };
        assert_eq!(long.verify(), Err(ClaimProofError::Length { index: 3, found: 65 }));
    }

    #[test]
    fn damaged_json_is_refused_without_a_panic() {
        let good = serde_json::to_vec(&ClaimProof::new(&tree(), [0xee; 20], 2)).unwrap();
        let mut state = 1u64;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            let position = next(bytes.len());
            match next(3) {
                0 => bytes[position] = next(256) as u8,
                1 => bytes.truncate(position),
                _ => bytes.insert(position, b"0\"[]{},:-"[next(9)]),
            }
            let Ok(found) = serde_json::from_slice::<ClaimProof>(&bytes) else { continue };
            // The token is not in the leaf; all else is.
            let same = ClaimProof { token: [0xee; 20], ..found.clone() } == ClaimProof::new(&tree(), [0xee; 20], 2);
            assert_eq!(found.verify().is_ok(), same, "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn json_of_another_shape_is_refused() {
        let good = serde_json::to_value(ClaimProof::new(&tree(), [0xee; 20], 0)).unwrap();
        let bad = [
            ("amount_minor", serde_json::json!(10)),
            ("amount_minor", serde_json::json!("010")),
            ("amount_minor", serde_json::json!("10.0")),
            ("account", serde_json::json!("0x0000000000000000000000000000000000000000")),
            ("distributor", serde_json::json!("0xDdDdDdDdDdDdDdDdDdDdDdDdDdDdDdDdDdDdDdDd")),
            ("root", serde_json::json!("0x00")),
            ("proof", serde_json::json!(["00"])),
            ("chain_id", serde_json::json!(-1)),
            ("note", serde_json::json!("unknown")),
        ];
        for (field, value) in bad {
            let mut json = good.clone();
            json[field] = value;
            assert!(serde_json::from_value::<ClaimProof>(json.clone()).is_err(), "{json}");
        }
    }
}
