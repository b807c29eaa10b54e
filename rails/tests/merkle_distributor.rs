//! Trees of claims against those of OpenZeppelin's npm package, which `contracts/golden.mjs` wrote; and what no tree is made of.

use std::collections::HashSet;
use std::time::Instant;

use rails::claim_proof::ClaimProof;
use rails::merkle_distributor::{Claim, Distribution, DistributorError, Tree, verify};
use rails::{address, hex};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const DROP: Distribution = Distribution { period: [9; 32], chain_id: 137, distributor: [0xdd; 20] };

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn words(value: &Value) -> Vec<[u8; 32]> {
    value.as_array().expect("a list").iter().map(|word| hex::parse(text(word)).unwrap()).collect()
}

/// The distribution and claims of a dump's values.
fn read(dump: &Value) -> (Distribution, Vec<Claim>) {
    let rows: Vec<&Value> = dump["values"].as_array().expect("a list").iter().map(|row| &row["value"]).collect();
    let distribution = Distribution {
        period: hex::parse(text(&rows[0][3])).unwrap(),
        chain_id: text(&rows[0][4]).parse().unwrap(),
        distributor: address::parse(text(&rows[0][5])).unwrap(),
    };
    let claim = |row: &&Value| Claim {
        index: text(&row[0]).parse().unwrap(),
        account: address::parse(text(&row[1])).unwrap(),
        amount_minor: text(&row[2]).parse().unwrap(),
    };
    (distribution, rows.iter().map(claim).collect())
}

fn claims(count: u64) -> Vec<Claim> {
    let account = |index: u64| {
        let mut account = [0x11; 20];
        account[..8].copy_from_slice(&index.to_be_bytes());
        account
    };
    (0..count).map(|index| Claim { index, account: account(index), amount_minor: 1 + i128::from(index) * 1_000_003 }).collect()
}

#[test]
fn trees_are_those_of_the_npm_package() {
    for count in [1, 2, 7, 64, 100] {
        let path = format!("{}/tests/golden/merkle_distributor_{count}.json", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path).unwrap();
        let golden: Value = serde_json::from_str(&file).unwrap();
        let (distribution, claims) = read(&golden["dump"]);
        assert_eq!(claims.len(), count);
        let tree = Tree::new(&distribution, &claims).unwrap();
        assert_eq!(tree.total_minor(), i128::MAX, "a single claim has the largest amount, more claims sum to it");

        assert_eq!(tree.nodes(), words(&golden["dump"]["tree"]), "{path}");
        assert_eq!(hex::Hex(&tree.root()).to_string(), text(&golden["root"]));
        assert_eq!(serde_json::to_value(tree.dump()).unwrap(), golden["dump"], "{path}");
        let dump = serde_json::to_string(&tree.dump()).unwrap();
        assert!(file.starts_with(&format!("{{\"dump\":{dump},")), "{path}: the dump is the same to the byte");
        for (index, proof) in (0..).zip(golden["proofs"].as_array().unwrap()) {
            assert_eq!(tree.proof(index), words(proof), "{path} claim {index}");
            assert!(verify(&tree.root(), &distribution, &claims[index as usize], &tree.proof(index)));
            ClaimProof::new(&tree, [1; 20], index).verify().unwrap();
        }
    }
}

#[test]
fn every_claim_of_every_small_tree_has_a_proof_and_nobody_elses() {
    for count in 1..70 {
        let claims = claims(count);
        let tree = Tree::new(&DROP, &claims).unwrap();
        let mut proofs = HashSet::new();
        for claim in &claims {
            let proof = tree.proof(claim.index);
            assert!(verify(&tree.root(), &DROP, claim, &proof));
            let other = claims[((claim.index + 1) % count) as usize];
            assert_eq!(verify(&tree.root(), &DROP, &other, &proof), count == 1, "claim {} of {count}", claim.index);
            assert!(!verify(&tree.root(), &DROP, &Claim { amount_minor: claim.amount_minor + 1, ..*claim }, &proof));
            assert!(!verify(&tree.root(), &Distribution { chain_id: 1, ..DROP }, claim, &proof));
            assert!(!verify(&tree.root(), &Distribution { period: [8; 32], ..DROP }, claim, &proof));
            assert!(!verify(&tree.root(), &Distribution { distributor: [0xde; 20], ..DROP }, claim, &proof));
            assert!(proofs.insert(proof));
        }
    }
}

#[test]
fn claims_that_cannot_be_paid_are_refused() {
    let good = claims(5);
    let with = |position: usize, change: fn(&mut Claim)| {
        let mut claims = good.clone();
        change(&mut claims[position]);
        Tree::new(&DROP, &claims).map(|tree| tree.root())
    };
    let (third, first) = (good[3].account, good[0].account);
    assert_eq!(Tree::new(&DROP, &[]).unwrap_err(), DistributorError::Empty);
    assert_eq!(Tree::new(&Distribution { chain_id: 0, ..DROP }, &good).unwrap_err(), DistributorError::Chain);
    assert_eq!(Tree::new(&Distribution { distributor: [0; 20], ..DROP }, &good).unwrap_err(), DistributorError::Distributor);
    assert_eq!(with(3, |c| c.index = 4), Err(DistributorError::Index { expected: 3, found: 4 }));
    assert_eq!(with(3, |c| c.amount_minor = 0), Err(DistributorError::Amount { index: 3, account: third, found: 0 }));
    assert_eq!(with(3, |c| c.amount_minor = -5), Err(DistributorError::Amount { index: 3, account: third, found: -5 }));
    assert_eq!(with(3, |c| c.account = [0; 20]), Err(DistributorError::Account { index: 3, account: [0; 20] }));
    assert_eq!(with(3, |c| c.account = DROP.distributor), Err(DistributorError::Account { index: 3, account: DROP.distributor }));
    assert_eq!(with(3, |c| c.account = claims(1)[0].account), Err(DistributorError::Duplicate { first: 0, second: 3, account: first }));
    assert_eq!(with(4, |c| c.amount_minor = i128::MAX), Err(DistributorError::Total { index: 4 }));
    let message = with(3, |c| c.amount_minor = 0).unwrap_err().to_string();
    assert_eq!(message, "claim 3 of 0x0000000000000003111111111111111111111111: amount is 0, expected more than 0");
}

#[test]
#[should_panic(expected = "claim 5 of 5")]
fn there_is_no_proof_of_a_claim_that_is_not_there() {
    Tree::new(&DROP, &claims(5)).unwrap().proof(5);
}

#[test]
fn proofs_of_a_million_claims_verify() {
    let claims = claims(1_000_000);
    let begun = Instant::now();
    let tree = Tree::new(&DROP, &claims).unwrap();
    println!("tree of {} claims: {:?}", claims.len(), begun.elapsed());
    for index in [0, 1, 499_999, 999_999] {
        let proof = tree.proof(index);
        assert!(proof.len() == 19 || proof.len() == 20, "2^19 < 10^6 < 2^20");
        assert!(verify(&tree.root(), &DROP, &claims[index as usize], &proof));
    }
    let begun = Instant::now();
    let mut size = 0;
    serde_json::to_writer(Count(&mut size), &tree.dump()).unwrap();
    println!("its dump of {size} bytes: {:?}", begun.elapsed());
}

/// Counts bytes.
struct Count<'a>(&'a mut usize);

impl std::io::Write for Count<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        *self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_compiled_contracts_belong_to_their_sources() {
    for name in ["Distributor", "TestToken"] {
        let path = |kind| format!("{}/contracts/{name}.{kind}", env!("CARGO_MANIFEST_DIR"));
        let file: Value = serde_json::from_slice(&std::fs::read(path("json")).unwrap()).unwrap();
        let digest: String = Sha256::digest(std::fs::read(path("sol")).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["source_sha256"], digest, "{name}.json is older than {name}.sol; contracts/build writes it anew");
        assert_eq!(file["compiler"], "0.8.37+commit.f401782d.Emscripten.clang");
        assert_eq!(file["settings"]["evmVersion"], "paris");
    }
}
