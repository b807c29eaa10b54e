//! A distribution on an embedded chain, from deployment to funding.

use rails::claim_proof::ClaimProof;
use rails::merkle_distributor::{Claim, Distribution, Tree};

use crate::chain::{Chain, Done, addr, artifact, bytes, encode, int};

pub const CHAIN_ID: u64 = 8453;
pub const PERIOD: [u8; 32] = [0x26; 32];
/// When the distribution starts, in seconds since 1970.
pub const START: u64 = 1_780_000_000;
pub const DEADLINE: u64 = START + 90 * 86_400;
pub const OWNER: [u8; 20] = [0xaa; 20];
pub const TREASURY: [u8; 20] = [0xbb; 20];
/// Somebody without any role, who makes all calls that anybody may make.
pub const STRANGER: [u8; 20] = [0xcc; 20];

/// How `TestToken` behaves, in the order of its enum.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    Plain,
    Silent,
    Refusing,
    Odd,
    Reverting,
    Calling,
}

/// A token, a distributor of it, and the tree of its claims.
pub struct World {
    pub chain: Chain,
    pub token: [u8; 20],
    pub distributor: [u8; 20],
    pub tree: Tree,
}

impl World {
    /// Contracts that are deployed, of a distribution that is neither started nor funded.
    pub fn deployed(claims: &[Claim], period: [u8; 32]) -> World {
        let mut chain = Chain::new(CHAIN_ID, START);
        let token = chain.deploy(1, &bytes(&artifact("TestToken")["bytecode"]), &[]).unwrap();
        let distributor = deploy(&mut chain, token, period, OWNER, TREASURY).unwrap();
        let tree = Tree::new(&Distribution { period: PERIOD, chain_id: CHAIN_ID, distributor }, claims).unwrap();
        World { chain, token, distributor, tree }
    }

    /// A distribution that is started, then funded.
    pub fn funded(claims: &[Claim], period: [u8; 32]) -> World {
        let mut world = World::deployed(claims, period);
        world.start(OWNER, world.tree.root(), DEADLINE).unwrap();
        world.mint(world.distributor, world.tree.total_minor());
        assert_eq!(world.balance(world.distributor), world.tree.total_minor());
        world
    }

    pub fn start(&mut self, from: [u8; 20], root: [u8; 32], deadline: u64) -> Result<Done, Vec<u8>> {
        self.chain.call(from, self.distributor, &encode("start(bytes32,uint256)", &[root, int(deadline)]))
    }

    pub fn proof(&self, index: u64) -> ClaimProof {
        ClaimProof::new(&self.tree, self.token, index)
    }

    /// Claims with the data that a statement's reader would send.
    pub fn claim(&mut self, index: u64) -> Result<Done, Vec<u8>> {
        let data = self.proof(index).call_data().unwrap();
        self.chain.call(STRANGER, self.distributor, &data)
    }

    /// Claims with data whose word number `word` is another.
    pub fn claim_with(&mut self, index: u64, word: usize, value: [u8; 32]) -> Result<Done, Vec<u8>> {
        let mut data = self.proof(index).call_data().unwrap();
        data[4 + 32 * word..][..32].copy_from_slice(&value);
        self.chain.call(STRANGER, self.distributor, &data)
    }

    pub fn sweep(&mut self) -> Result<Done, Vec<u8>> {
        self.chain.call(STRANGER, self.distributor, &encode("sweep()", &[]))
    }

    pub fn balance(&mut self, account: [u8; 20]) -> i128 {
        let output = self.chain.call(STRANGER, self.token, &encode("balanceOf(address)", &[addr(account)])).unwrap().output;
        let (high, low) = output.split_at(16);
        assert_eq!(high, [0; 16]);
        u128::from_be_bytes(low.try_into().unwrap()).try_into().unwrap()
    }

    pub fn is_claimed(&mut self, index: u64) -> bool {
        self.chain.call(STRANGER, self.distributor, &encode("isClaimed(uint256)", &[int(index)])).unwrap().output == int(1u8)
    }

    pub fn mint(&mut self, account: [u8; 20], amount_minor: i128) {
        let amount = int(u128::try_from(amount_minor).unwrap());
        self.chain.call(STRANGER, self.token, &encode("mint(address,uint256)", &[addr(account), amount])).unwrap();
    }

    pub fn set_mode(&mut self, mode: Mode, callback: &[u8]) {
        let mut data = encode("setMode(uint8,bytes)", &[int(mode as u8), int(64u8), int(callback.len() as u64)]);
        data.extend(callback);
        self.chain.call(STRANGER, self.token, &data).unwrap();
    }
}

/// Deploys a distributor.
pub fn deploy(chain: &mut Chain, token: [u8; 20], period: [u8; 32], owner: [u8; 20], treasury: [u8; 20]) -> Result<[u8; 20], Vec<u8>> {
    chain.deploy(2, &bytes(&artifact("Distributor")["bytecode"]), &[addr(token), period, addr(owner), addr(treasury)])
}

/// Claims of different sizes, whose accounts differ in all bytes.
pub fn claims(count: u64) -> Vec<Claim> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    };
    let mut claim = |index| {
        let account = std::array::from_fn(|_| next() as u8);
        Claim { index, account, amount_minor: 1 + (i128::from(next()) << (next() % 80)) }
    };
    (0..count).map(&mut claim).collect()
}

/// What a call reverts with: the custom error `name` of the contract's interface.
pub fn error(name: &str, arguments: &[[u8; 32]]) -> Vec<u8> {
    let abi = artifact("Distributor")["abi"].clone();
    let is_it = |item: &&serde_json::Value| item["type"] == "error" && item["name"] == name;
    let item = abi.as_array().unwrap().iter().find(is_it).unwrap_or_else(|| panic!("no error {name}"));
    let types: Vec<&str> = item["inputs"].as_array().unwrap().iter().map(|input| input["type"].as_str().unwrap()).collect();
    assert_eq!(types.len(), arguments.len(), "{name}");
    encode(&format!("{name}({})", types.join(",")), arguments)
}
