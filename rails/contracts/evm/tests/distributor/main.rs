//! `contracts/Distributor.sol` as compiled, on an embedded EVM: who is paid what, what is refused, and what is left.

mod chain;
mod world;

use chain::{Chain, Done, addr, artifact, bytes, encode, int, topic};
use rails::merkle_distributor::Claim;
use world::{CHAIN_ID, DEADLINE, Mode, OWNER, PERIOD, START, STRANGER, TREASURY, World, claims, deploy, error};

const DAY: u64 = 86_400;

#[track_caller]
fn refused(result: Result<Done, Vec<u8>>, name: &str, arguments: &[[u8; 32]]) {
    let found = result.err().unwrap_or_else(|| panic!("expected {name}, but the call succeeded"));
    assert_eq!(found, error(name, arguments), "expected {name}");
}

#[test]
fn a_thousand_claims_pay_exactly_and_leave_nothing() {
    let claims = claims(1000);
    let mut world = World::funded(&claims, PERIOD);
    let mut gas = Vec::new();
    // In another order than the tree's: the bitmap's words are filled from several sides.
    for i in 0..1000 {
        let claim = claims[i * 617 % 1000];
        assert!(!world.is_claimed(claim.index));
        let done = world.claim(claim.index).unwrap();
        let amount = int(claim.amount_minor as u128);
        assert_eq!(done.events, [vec![topic("Claimed(uint256,address,uint256)"), int(claim.index), addr(claim.account), amount]]);
        assert!(world.is_claimed(claim.index));
        assert_eq!(world.balance(claim.account), claim.amount_minor);
        gas.push(done.gas);
    }
    assert_eq!(world.balance(world.distributor), 0);
    assert_eq!(claims.iter().map(|c| world.balance(c.account)).sum::<i128>(), world.tree.total_minor());
    for claim in &claims {
        refused(world.claim(claim.index), "AlreadyClaimed", &[int(claim.index)]);
    }
    world.chain.set_time(DEADLINE + 1);
    refused(world.sweep(), "NothingToSweep", &[]);
    println!("gas of a claim: {} to {}", gas.iter().min().unwrap(), gas.iter().max().unwrap());
}

#[test]
fn what_nobody_claims_goes_to_the_treasury() {
    let claims = claims(300);
    let mut world = World::funded(&claims, PERIOD);
    let (claimed, unclaimed): (Vec<Claim>, Vec<Claim>) = claims.iter().copied().partition(|claim: &Claim| !claim.index.is_multiple_of(3));
    for claim in &claimed {
        world.claim(claim.index).unwrap();
    }
    let left: i128 = unclaimed.iter().map(|claim| claim.amount_minor).sum();
    assert_eq!(world.balance(world.distributor), left);
    world.chain.set_time(DEADLINE + 1);
    let done = world.sweep().unwrap();
    assert_eq!(done.events, [vec![topic("Swept(address,uint256)"), addr(TREASURY), int(left as u128)]]);
    assert_eq!(world.balance(world.distributor), 0);
    assert_eq!(world.balance(TREASURY), left);
    for claim in &claimed {
        assert_eq!(world.balance(claim.account), claim.amount_minor);
    }
    for claim in &unclaimed {
        assert_eq!(world.balance(claim.account), 0);
        refused(world.claim(claim.index), "ClaimsClosed", &[int(DEADLINE), int(DEADLINE + 1)]);
    }
    refused(world.sweep(), "NothingToSweep", &[]);
    world.mint(world.distributor, 5);
    world.sweep().unwrap();
    assert_eq!((world.balance(world.distributor), world.balance(TREASURY)), (0, left + 5));
}

#[test]
fn a_claim_that_is_not_in_the_tree_is_refused() {
    let claims = claims(20);
    let mut world = World::funded(&claims, PERIOD);
    let claim = claims[4];
    let (index, account, amount) = (int(claim.index), addr(claim.account), int(claim.amount_minor as u128));
    let larger = int(claim.amount_minor as u128 + 1);
    refused(world.claim_with(4, 0, int(5u8)), "InvalidProof", &[int(5u8), account, amount]);
    refused(world.claim_with(4, 0, [0xff; 32]), "InvalidProof", &[[0xff; 32], account, amount]);
    refused(world.claim_with(4, 1, addr(STRANGER)), "InvalidProof", &[index, addr(STRANGER), amount]);
    refused(world.claim_with(4, 2, larger), "InvalidProof", &[index, account, larger]);
    refused(world.claim_with(4, 2, int(0u8)), "InvalidProof", &[index, account, int(0u8)]);
    // The list of the proof begins at word 5, its length is word 4.
    let length = world.proof(4).proof.len();
    for word in 5..5 + length {
        refused(world.claim_with(4, word, [0x77; 32]), "InvalidProof", &[index, account, amount]);
    }
    refused(world.claim_with(4, 4, int(0u8)), "InvalidProof", &[index, account, amount]);
    refused(world.claim_with(4, 4, int(length as u64 - 1)), "InvalidProof", &[index, account, amount]);
    // Another claim's proof.
    let mut other = world.proof(4);
    other.proof = world.tree.proof(5);
    assert!(other.call_data().is_err(), "we do not write such data");
    let mut data = world.proof(5).call_data().unwrap();
    data[4..100].copy_from_slice(&[index, account, amount].concat());
    refused(world.chain.call(STRANGER, world.distributor, &data), "InvalidProof", &[index, account, amount]);
    // Nothing of that marks or pays it.
    assert_eq!(world.balance(world.distributor), world.tree.total_minor());
    world.claim(4).unwrap();
    refused(world.claim(4), "AlreadyClaimed", &[index]);
    refused(world.claim_with(4, 2, larger), "AlreadyClaimed", &[index]);
    assert_eq!(world.balance(claim.account), claim.amount_minor);
}

#[test]
fn a_claim_of_another_chain_period_or_contract_is_refused() {
    let claims = claims(7);
    let arguments = [int(3u8), addr(claims[3].account), int(claims[3].amount_minor as u128)];

    let mut world = World::funded(&claims, PERIOD);
    world.chain.set_chain_id(CHAIN_ID + 1);
    refused(world.claim(3), "InvalidProof", &arguments);
    world.chain.set_chain_id(CHAIN_ID);
    world.claim(3).unwrap();

    // The same address and root, but the contract was constructed for another period.
    let mut other = World::funded(&claims, [0x27; 32]);
    assert_eq!((other.distributor, other.tree.root()), (world.distributor, world.tree.root()));
    refused(other.claim(3), "InvalidProof", &arguments);

    // The same period and root at another address.
    let data = world.proof(4).call_data().unwrap();
    let code = bytes(&artifact("Distributor")["bytecode"]);
    let second = world.chain.deploy(3, &code, &[addr(world.token), PERIOD, addr(OWNER), addr(TREASURY)]).unwrap();
    let first = std::mem::replace(&mut world.distributor, second);
    world.start(OWNER, world.tree.root(), DEADLINE).unwrap();
    let arguments = [int(4u8), addr(claims[4].account), int(claims[4].amount_minor as u128)];
    refused(world.chain.call(STRANGER, second, &data), "InvalidProof", &arguments);
    world.chain.call(STRANGER, first, &data).unwrap();
}

#[test]
fn claims_end_with_the_deadline_and_sweeps_begin_after_it() {
    let claims = claims(3);
    let mut world = World::funded(&claims, PERIOD);
    refused(world.sweep(), "ClaimsOpen", &[int(DEADLINE), int(START)]);
    world.chain.set_time(DEADLINE);
    refused(world.sweep(), "ClaimsOpen", &[int(DEADLINE), int(DEADLINE)]);
    world.claim(0).unwrap();
    world.chain.set_time(DEADLINE + 1);
    refused(world.claim(1), "ClaimsClosed", &[int(DEADLINE), int(DEADLINE + 1)]);
    world.sweep().unwrap();
    assert_eq!(world.balance(world.distributor), 0);
}

#[test]
fn the_owner_starts_once_and_within_the_window() {
    let mut world = World::deployed(&claims(3), PERIOD);
    let root = world.tree.root();
    world.mint(world.distributor, world.tree.total_minor());
    refused(world.claim(0), "NotStarted", &[]);
    refused(world.sweep(), "NotStarted", &[]);
    refused(world.start(STRANGER, root, DEADLINE), "NotOwner", &[addr(OWNER), addr(STRANGER)]);
    refused(world.start(OWNER, [0; 32], DEADLINE), "InvalidRoot", &[]);
    let window = [int(START + DAY), int(START + 3660 * DAY)];
    for deadline in [0, START - 1, START + DAY - 1, START + 3660 * DAY + 1, DEADLINE * 1000, u64::MAX] {
        refused(world.start(OWNER, root, deadline), "InvalidDeadline", &[window[0], window[1], int(deadline)]);
    }
    let done = world.start(OWNER, root, DEADLINE).unwrap();
    assert_eq!(done.events, [vec![topic("Started(bytes32,uint256)"), root, int(DEADLINE)]]);
    refused(world.start(OWNER, [1; 32], DEADLINE), "AlreadyStarted", &[root]);
    refused(world.start(OWNER, root, DEADLINE), "AlreadyStarted", &[root]);
    let expected = [("root()", root), ("deadline()", int(DEADLINE)), ("period()", PERIOD), ("token()", addr(world.token))];
    for (getter, value) in expected.into_iter().chain([("owner()", addr(OWNER)), ("treasury()", addr(TREASURY))]) {
        assert_eq!(world.chain.call(STRANGER, world.distributor, &encode(getter, &[])).unwrap().output, value, "{getter}");
    }
    for deadline in [START + DAY, START + 3660 * DAY] {
        World::deployed(&claims(3), PERIOD).start(OWNER, root, deadline).unwrap();
    }
}

#[test]
fn a_contract_that_could_not_pay_is_not_deployed() {
    let World { token, distributor: itself, .. } = World::deployed(&claims(1), PERIOD);
    let refused = |paid_in, owner, treasury, name, found| {
        let mut chain = Chain::new(CHAIN_ID, START);
        assert_eq!(chain.deploy(1, &bytes(&artifact("TestToken")["bytecode"]), &[]), Ok(token));
        assert_eq!(deploy(&mut chain, paid_in, PERIOD, owner, treasury), Err(error(name, &[addr(found)])));
    };
    refused(STRANGER, OWNER, TREASURY, "NotAContract", STRANGER);
    refused([0; 20], OWNER, TREASURY, "NotAContract", [0; 20]);
    refused(token, [0; 20], TREASURY, "InvalidAddress", [0; 20]);
    refused(token, OWNER, [0; 20], "InvalidAddress", [0; 20]);
    // On a chain that begins the same, the contract gets the same address.
    refused(token, itself, TREASURY, "InvalidAddress", itself);
    refused(token, OWNER, itself, "InvalidAddress", itself);
}

#[test]
fn a_transfer_that_fails_leaves_the_claim_open() {
    let claims = claims(6);
    let mut world = World::funded(&claims, PERIOD);
    for mode in [Mode::Refusing, Mode::Odd, Mode::Reverting] {
        world.set_mode(mode, &[]);
        refused(world.claim(2), "TransferFailed", &[addr(claims[2].account), int(claims[2].amount_minor as u128)]);
        assert!(!world.is_claimed(2), "{mode:?}");
        assert_eq!(world.balance(claims[2].account), 0);
    }
    world.set_mode(Mode::Silent, &[]);
    world.claim(2).unwrap();
    assert_eq!(world.balance(claims[2].account), claims[2].amount_minor, "a token that returns nothing");
    world.set_mode(Mode::Plain, &[]);
    world.claim(3).unwrap();
    world.set_mode(Mode::Refusing, &[]);
    world.chain.set_time(DEADLINE + 1);
    let left = world.tree.total_minor() - claims[2].amount_minor - claims[3].amount_minor;
    refused(world.sweep(), "TransferFailed", &[addr(TREASURY), int(left as u128)]);
    world.set_mode(Mode::Silent, &[]);
    world.sweep().unwrap();
    assert_eq!((world.balance(world.distributor), world.balance(TREASURY)), (0, left));
}

#[test]
fn a_contract_without_enough_tokens_pays_once_it_has_them() {
    let claims = claims(2);
    let mut world = World::deployed(&claims, PERIOD);
    world.start(OWNER, world.tree.root(), DEADLINE).unwrap();
    world.mint(world.distributor, claims[1].amount_minor - 1);
    refused(world.claim(1), "TransferFailed", &[addr(claims[1].account), int(claims[1].amount_minor as u128)]);
    world.mint(world.distributor, 1);
    world.claim(1).unwrap();
    assert_eq!((world.balance(world.distributor), world.balance(claims[1].account)), (0, claims[1].amount_minor));
}

#[test]
fn a_token_that_is_gone_pays_nobody() {
    let claims = claims(2);
    let mut world = World::funded(&claims, PERIOD);
    world.chain.erase(world.token);
    refused(world.claim(0), "TransferFailed", &[addr(claims[0].account), int(claims[0].amount_minor as u128)]);
    assert!(!world.is_claimed(0));
}

#[test]
fn a_token_that_calls_back_is_paid_once() {
    let claims = claims(2);
    let mut world = World::funded(&claims, PERIOD);
    let data = world.proof(0).call_data().unwrap();
    world.set_mode(Mode::Calling, &data);
    let done = world.claim(0).unwrap();
    assert_eq!(done.events.len(), 1);
    assert_eq!(world.balance(claims[0].account), claims[0].amount_minor);
    assert_eq!(world.balance(world.distributor), claims[1].amount_minor);
}

#[test]
fn a_node_has_the_code_of_the_file_with_the_constructors_values_in_their_places() {
    let world = World::deployed(&claims(1), PERIOD);
    let file = artifact("Distributor");
    let mut code = bytes(&file["deployed_bytecode"]);
    let values = [("token", addr(world.token)), ("period", PERIOD), ("owner", addr(OWNER)), ("treasury", addr(TREASURY))];
    for (name, value) in values {
        for place in file["immutable_references"][name].as_array().unwrap() {
            let start = place["start"].as_u64().unwrap() as usize;
            code[start..start + 32].copy_from_slice(&value);
        }
    }
    assert!(world.chain.code(world.distributor) == code);
}
